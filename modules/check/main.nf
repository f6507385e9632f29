// The plan of the run, from parameters, sample sheet and settings. A fault is in the output and does not fail the task.
process CHECK {
    tag 'sample sheet'
    label 'process_single'
    executor 'local'
    publishDir "${params.outdir}/pipeline_info", mode: 'copy', pattern: 'plan.json', enabled: params.outdir ? true : false

    input:
    val values                                          // JSON: parameters, what messages call the sheet, what lies where
    path sheet, stageAs: 'sheet/*'                      // nothing where it is missing, which is a fault
    path schema                                         // nextflow_schema.json
    path shipped, stageAs: 'shipped/*'                  // settings files of the pipeline
    path own, stageAs: 'own/*'                          // settings files of the user
    path settings, stageAs: 'settings/*'                // the file that --cohort names, if it names one
    path weights, stageAs: 'weights'
    val code

    output:
    path '{plan,faults}.json', emit: plan               // one of them
    path 'versions.yml', topic: versions, optional: true

    script:
    """
    rprloc step check --code ${code} --image '${task.container ?: ''}' <<'JSON'
    ${values}
    JSON
    """
}
