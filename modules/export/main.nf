// A query's answers to use, as files for other programs.
process EXPORT {
    tag "${id}"
    label 'process_low'
    publishDir params.outdir, mode: 'copy', pattern: 'exports/**'

    input:
    tuple val(id), val(json), path(image, stageAs: 'image/*'), path(scan, stageAs: 'scans/*'), path(found, stageAs: 'found/*')

    output:
    path 'exports/**', emit: files, optional: true
    path 'said.txt', emit: said

    script:
    """
    rprloc step export --image image --scans scans --found found <<'JSON'
    ${json}
    JSON
    """

    stub:
    """
    touch said.txt
    """
}
