// All cohorts together: predictions, metrics, scans set aside, and the paper's tables.
process TABULATE {
    label 'process_single'

    input:
    path evaluated, stageAs: 'evaluated/*'
    path logs, stageAs: 'logs/*'
    val starts                                          // JSON: cohort -> K
    val code

    output:
    path 'results/*', emit: results

    script:
    """
    # code ${code}
    rprloc step tabulate --evaluated evaluated --logs logs --folder results <<'JSON'
    ${starts}
    JSON
    """

    stub:
    """
    # code ${code}
    mkdir -p results/tables
    touch results/predictions.jsonl results/metrics.csv results/set_aside.csv
    """
}
