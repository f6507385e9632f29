// The paths that the sample sheet names, to be looked up outside of any container.
process NAMES {
    tag 'sample sheet'
    label 'process_single'
    executor 'local'

    input:
    path sheet, stageAs: 'sheet/*'                      // nothing where it is missing, which is a fault
    val code

    output:
    path 'names.json', emit: found

    script:
    """
    rprloc step names --sheet-folder sheet --output names.json --code ${code} --image '${task.container ?: ''}'
    """
}
