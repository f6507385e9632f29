// One network of a cohort. Its state is in the checkpoints folder, outside the work folder: a killed training goes on.
// A network without a label to learn from leaves nothing, which is no fault: its method's predictions say so.
process TRAIN {
    tag "${id}"
    label 'process_gpu'
    maxForks Math.max(1, Runtime.runtime.availableProcessors().intdiv(8))
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
    rprloc step train --scans scans --models models --threads ${task.cpus} --device ${task.accelerator ? 'cuda' : 'auto'} <<'JSON'
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
