// Every prediction that the plan leads one to expect, measured; one that did not come is a failed row.
process EVALUATE {
    tag "${id}"
    label 'process_single'

    input:
    tuple val(id), val(json), path(scans, stageAs: 'scans/*'), path(predictions, stageAs: 'predictions/*'), path(outlines, stageAs: 'outlines/*')

    output:
    path "${id}", emit: evaluated
    tuple val(id), path("${id}/answers/*.jsonl"), emit: answers, optional: true

    script:
    """
    rprloc step evaluate --scans scans --predictions predictions --outlines outlines --folder ${id} <<'JSON'
    ${json}
    JSON
    """

    stub:
    """
    mkdir ${id}
    """
}
