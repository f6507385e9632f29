// One scan to model space. Always ends well: a scan that cannot be used leaves a JSON that says why.
process PREPROCESS {
    tag "${id}"
    label 'process_low'
    // Many jobs of one kind: an array spares a cluster's scheduler. (With a space in its path Nextflow's array fails.)
    array nextflow.Global.session.config.process?.executor in [null, 'local'] || System.getProperty('user.dir').contains(' ') ? 0 : 100

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
