// The structures of all supports in a batch of queries, by one family of methods.
process LOCALIZE {
    tag "${id}"
    label 'process_gpu'
    maxForks Math.max(1, Runtime.runtime.availableProcessors().intdiv(8))

    input:
    tuple val(id), val(json), path(scans, stageAs: 'scans/*'), path(models, stageAs: 'models/*')

    output:
    tuple val(id), path("${id}.jsonl"), emit: predictions
    tuple val(id), path("${id}.outlines"), emit: outlines

    script:
    """
    rprloc step localize --scans scans --models models --threads ${task.cpus} --device ${task.accelerator ? 'cuda' : 'auto'} \\
        --output ${id}.jsonl <<'JSON'
    ${json}
    JSON
    """

    stub:
    """
    mkdir -p ${id}.outlines
    touch ${id}.jsonl
    """
}
