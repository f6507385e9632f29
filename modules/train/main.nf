include { cpusOf ; deviceOf ; memoryOf ; timeOf } from '../support'

// One network of a cohort. Its state is in the checkpoints folder, outside the work folder: a killed training goes on.
// A network without a label to learn from leaves nothing, which is no fault: its method's predictions say so.
process TRAIN {
    tag "${id}"
    label 'process_train'
    cpus { cpusOf(task) }
    memory { memoryOf(task) }
    time { timeOf(task, true) }
    // On this machine as many as it has room for, one where they ask for its GPU; on a cluster as many as it gives.
    maxForks nextflow.Global.session.config.process?.executor !in [null, 'local'] ? 0 : nextflow.Global.session.config.process?.accelerator ? 1 : Math.max(1, Runtime.runtime.availableProcessors().intdiv(8))
    // What stops a task does not wait for it: a scheduler that has warned of the time limit would kill it while it writes
    // its state. It holds this lock until it has.
    afterScript 'if [ -e .training ] && command -v flock > /dev/null; then flock -w 25 .training true || true; fi'
    publishDir "${params.outdir}/models", mode: 'copy', pattern: '**/*.safetensors'
    publishDir "${params.outdir}/logs", mode: 'copy', pattern: '*.{jsonl,log}'

    input:
    tuple val(id), val(json), path(scans, stageAs: 'scans/*'), path(models, stageAs: 'models/*')

    output:
    tuple val(id), path("${id}.safetensors"), optional: true, emit: model
    path '*.jsonl', optional: true, emit: curve
    path '*.log', optional: true, emit: log

    script:
    """
    rprloc step train --scans scans --models models --device ${deviceOf(task)} --gpus ${task.accelerator?.request ?: 1} <<'JSON'
    ${json}
    JSON
    """

    stub:
    def name = id.replace('/', '.')
    """
    mkdir ${id.tokenize('/').first()}
    touch ${id}.safetensors ${name}.jsonl ${name}.log
    """
}
