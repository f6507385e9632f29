// The structures of all supports in a batch of queries, by one family of methods.
process LOCALIZE {
    tag "${cohort} ${family} batch ${batch}"
    label 'process_gpu'

    input:
    tuple val(cohort), val(family), val(batch), val(settings), val(tables), path(models, stageAs: 'models/*'),
        path(supports, stageAs: 'supports/*'), path(queries, stageAs: 'queries/*')
    val seed
    val code

    output:
    tuple val(cohort), path("${family}.batch${batch}.jsonl"), emit: predictions

    script:
    """
    # code ${code}
    rprloc step localize --family ${family} --models models --supports supports --queries queries ${tables ? '--tables' : '--no-tables'} \\
        --seed ${seed} --threads ${task.cpus} --device ${task.accelerator ? 'cuda' : 'auto'} --output ${family}.batch${batch}.jsonl <<'JSON'
    ${settings}
    JSON
    """

    stub:
    """
    # code ${code}
    touch ${family}.batch${batch}.jsonl
    """
}
