// One network of a cohort. Its state is in the checkpoints folder, outside the work folder: a killed training goes on.
process TRAIN {
    tag "${cohort} ${stage}"
    label 'process_gpu'

    input:
    tuple val(cohort), val(stage), val(values), path(scans, stageAs: 'scans/*'), path(validation, stageAs: 'validation/*')
    val training
    val seed
    val code

    output:
    tuple val(cohort), val(stage), path("${cohort}/${stage}.safetensors"), emit: model
    path "${cohort}.${stage}.jsonl", emit: curve
    path "${cohort}.${stage}.log", emit: log

    script:
    """
    # code ${code}
    rprloc step train --cohort ${cohort} --stage ${stage} --scans scans --validation validation \\
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
