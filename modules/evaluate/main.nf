// Every answer that the checked sheet leads one to expect, measured; one that did not come is a failed row.
process EVALUATE {
    tag "${cohort}"
    label 'process_single'

    input:
    tuple val(cohort), val(check), val(tables), path(scans, stageAs: 'scans/*'), path(predictions, stageAs: 'predictions/*')
    val seed
    val code

    output:
    path "${cohort}", emit: evaluated

    script:
    """
    # code ${code}
    rprloc step evaluate --cohort ${cohort} --scans scans --predictions predictions \\
        ${tables ? '--tables' : '--no-tables'} --seed ${seed} --folder ${cohort} <<'JSON'
    ${check}
    JSON
    """

    stub:
    """
    # code ${code}
    mkdir ${cohort}
    """
}
