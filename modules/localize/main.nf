include { cpusOf ; deviceOf ; memoryOf ; timeOf } from '../support'

// The structures of all supports in a batch of queries, by one family of methods.
process LOCALIZE {
    tag "${id}"
    label 'process_search'
    cpus { cpusOf(task) }
    memory { memoryOf(task) }
    time { timeOf(task, false) }
    // On this machine as many as it has room for, one where they ask for its GPU; on a cluster as many as it gives.
    maxForks nextflow.Global.session.config.process?.executor in [null, 'local'] && nextflow.Global.session.config.process?.accelerator ? 1 : 0
    // Many jobs of one kind: an array spares a cluster's scheduler. (With a space in its path Nextflow's array fails.)
    array nextflow.Global.session.config.process?.executor in [null, 'local'] || System.getProperty('user.dir').contains(' ') ? 0 : 20

    input:
    tuple val(id), val(json), path(scans, stageAs: 'scans/*'), path(models, stageAs: 'models/*')

    output:
    tuple val(id), path("${id}.jsonl"), emit: predictions
    tuple val(id), path("${id}.outlines"), emit: outlines

    script:
    """
    rprloc step localize --scans scans --models models --threads ${task.cpus} --device ${deviceOf(task)} \\
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
