// One scan to model space. Always ends well: a scan that cannot be used leaves a JSON that says why.
process PREPROCESS {
    tag "${id}"
    label 'process_low'

    input:
    tuple val(id), val(json), path(image, stageAs: 'image/*'), path(label, stageAs: 'label/*')

    output:
    tuple val(id), path("${id}"), emit: scan

    script:
    """
    rprloc step preprocess --image image --label label --threads ${task.cpus} <<'JSON'
    ${json}
    JSON
    """

    stub:
    def (cohort, subject) = id.tokenize('@')
    """
    mkdir '${id}'
    printf '{"cohort": "%s", "subject": "%s", "reason": null, "findings": [], "file": "", "version": ""}' \\
        '${cohort}' '${subject}' > '${id}/${subject}.json'
    """
}
