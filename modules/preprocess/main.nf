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

// Several scans to model space, where there are hundreds. One whose process dies is left out, and PREPROCESS tries again.
process PREPROCESS_TOGETHER {
    tag "${id}"
    label 'process_low'
    array nextflow.Global.session.config.process?.executor in [null, 'local'] || System.getProperty('user.dir').contains(' ') ? 0 : 20

    input:
    tuple val(id), val(json), path(images, stageAs: 'images/?/*'), path(labels, stageAs: 'labels/?/*')

    output:
    tuple val(id), path('*@*', type: 'dir'), emit: scans, optional: true

    script:
    """
    rprloc step together --images images --labels labels --threads ${task.cpus} <<'JSON'
    ${json}
    JSON
    """

    stub:
    def ids = (json =~ /"id":"([^"]+)"/).collect { _all, name -> name }
    """
    for id in ${ids.join(' ')}; do
        mkdir "\$id"
        printf '{"cohort": "%s", "subject": "%s", "reason": null, "findings": [], "file": "", "version": ""}' \\
            "\${id%@*}" "\${id#*@}" > "\$id/\${id#*@}.json"
    done
    """
}
