// One network of a cohort. Its state is in the checkpoints folder, outside the work folder: a killed training goes on.
// A network without a label to learn from leaves nothing, which is no fault: its method's answers say so.
process TRAIN {
    tag "${cohort} ${stage}"
    label 'process_gpu'

    input:
    tuple val(cohort), val(stage), val(values), path(scans, stageAs: 'scans/*'), path(validation, stageAs: 'validation/*'),
        path(models, stageAs: 'models/*'), path(supports, stageAs: 'supports/*')
    val training
    val seed
    val code

    output:
    tuple val(cohort), val(stage), path("${cohort}/${stage}.safetensors"), optional: true, emit: model
    path "${cohort}.${stage}.jsonl", optional: true, emit: curve
    path "${cohort}.${stage}.log", optional: true, emit: log

    script:
    """
    # code ${code}
    rprloc step train --cohort ${cohort} --stage ${stage} --scans scans --validation validation --models models --supports supports \\
        --training ${training} --seed ${seed} --code ${code} --threads ${task.cpus} --device ${task.accelerator ? 'cuda' : 'auto'} <<'JSON'
    ${values}
    JSON
    """

    stub:
    """
    # code ${code}
    mkdir ${cohort}
    touch ${cohort}/${stage}.safetensors ${cohort}.${stage}.jsonl ${cohort}.${stage}.log
    """
}
