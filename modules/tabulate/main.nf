// All cohorts together: predictions, metrics, scans set aside, the paper's tables, and what the report shows.
process TABULATE {
    label 'process_single'
    publishDir params.outdir, mode: 'copy', saveAs: { name -> name.replaceFirst('results/', '') }

    input:
    path evaluated, stageAs: 'evaluated/*'
    path logs, stageAs: 'logs/*'
    val code

    output:
    path 'results/*', emit: results

    script:
    """
    # code ${code}
    rprloc step tabulate --evaluated evaluated --logs logs --folder results
    """

    stub:
    """
    # code ${code}
    mkdir -p results/tables
    echo '[]' > results/tables/shown.json
    touch results/predictions.jsonl results/metrics.csv results/set_aside.csv results/scans.csv
    """
}
