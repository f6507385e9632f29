// The page to open first, its pictures, and what the run was.
process REPORT {
    label 'process_low'

    input:
    val values                                          // JSON: the run, the checked sheet
    path results, stageAs: 'results/*'
    path scans, stageAs: 'scans/*'
    path logs, stageAs: 'logs/*'
    val code

    output:
    path 'report.html', emit: page
    path 'figures', emit: figures, optional: true
    path 'pipeline_info/*', emit: info

    script:
    """
    # code ${code}
    rprloc step report --results results --scans scans --logs logs <<'JSON'
    ${values}
    JSON
    """

    stub:
    """
    # code ${code}
    mkdir pipeline_info
    touch report.html pipeline_info/run.json
    """
}
