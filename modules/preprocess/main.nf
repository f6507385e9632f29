// One scan to model space. Always ends well: a scan that cannot be used leaves a JSON that says why.
process PREPROCESS {
    tag "${cohort} ${subject}"
    label 'process_low'

    input:
    tuple val(cohort), val(subject), val(settings), path(image, stageAs: 'image/*'), path(label, stageAs: 'label/*')
    val code

    output:
    tuple val(cohort), val(subject), path("${cohort}@${subject}"), emit: scan

    script:
    """
    # code ${code}
    rprloc step preprocess --cohort ${cohort} --subject ${subject} --image image --label label \\
        --threads ${task.cpus} <<'JSON'
    ${settings}
    JSON
    """

    stub:
    """
    # code ${code}
    mkdir '${cohort}@${subject}'
    printf '{"cohort": "%s", "subject": "%s", "status": "set_aside", "reason": "stub", "file": "", "version": ""}' \\
        '${cohort}' '${subject}' > '${cohort}@${subject}/${subject}.json'
    """
}
