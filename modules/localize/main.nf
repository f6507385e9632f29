// The structures of all supports in a batch of queries.
process LOCALIZE {
    tag "${cohort} batch ${batch}"
    label 'process_gpu'

    input:
    tuple val(cohort), val(batch), val(settings), val(tables), path(models, stageAs: 'models/*'),
        path(supports, stageAs: 'supports/*'), path(queries, stageAs: 'queries/*')
    val seed
    val code

    output:
    tuple val(cohort), path("batch${batch}.jsonl"), emit: predictions

    script:
    """
    # code ${code}
    rprloc step localize --models models --supports supports --queries queries ${tables ? '--tables' : '--no-tables'} \\
        --seed ${seed} --threads ${task.cpus} --device ${task.accelerator ? 'cuda' : 'auto'} --output batch${batch}.jsonl <<'JSON'
    ${settings}
    JSON
    """

    stub:
    """
    # code ${code}
    touch batch${batch}.jsonl
    """
}
