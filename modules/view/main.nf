// Pictures of a batch of queries on their own voxels, and the files that the report's viewer opens.
process VIEW {
    tag "${id}"
    label 'process_low'
    publishDir params.outdir, mode: 'copy', pattern: '{pictures,viewer}/**'

    input:
    tuple val(id), val(json), path(images, stageAs: 'images/?/*'), path(scans, stageAs: 'scans/*'), path(outlines, stageAs: 'outlines/*')

    output:
    path "${id}.json", emit: manifest
    // Apart: a pattern of both would be looked for in the folders of the images too.
    path 'pictures/**', emit: pictures, optional: true
    path 'viewer/**', emit: viewers, optional: true

    script:
    """
    rprloc step view --images images --scans scans --outlines outlines <<'JSON'
    ${json}
    JSON
    """

    stub:
    """
    echo '[]' > ${id}.json
    """
}
