// The page to open first, what it needs beside it, and what the run was.
process REPORT {
    label 'process_low'
    publishDir params.outdir, mode: 'copy'

    input:
    val json                                            // what the plan and Nextflow tell it
    path results, stageAs: 'results/*'
    path scans, stageAs: 'scans/*'                      // those of figure 4
    path manifests, stageAs: 'manifests/*'
    path logs, stageAs: 'logs/*'

    output:
    path 'report.html', emit: page
    path '*_mqc.json', emit: multiqc, optional: true
    path 'figures', emit: figures, optional: true
    path 'viewer/*', emit: viewer, optional: true
    path 'pipeline_info/*', emit: info

    script:
    """
    rprloc step report --results results --scans scans --manifests manifests --logs logs <<'JSON'
    ${json}
    JSON
    """

    stub:
    """
    mkdir pipeline_info
    touch report.html pipeline_info/run.json
    """
}
