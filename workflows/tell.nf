// How good the predictions are, and what people read.

include { EVALUATE } from '../modules/evaluate'
include { EXPORT } from '../modules/export'
include { TABULATE } from '../modules/tabulate'
include { REPORT } from '../modules/report'
include { VIEW } from '../modules/view'
include { contentOf ; figured ; gathered ; hashesOf ; launch ; sheetFile ; tellCompared ; toJson ; weightsHash } from '../modules/support'

workflow TELL {
    take:
    plan                                                // the plan, once
    scans                                               // [id of a scan, its folder]
    models                                              // [id of a network, its file]
    curves                                              // a file each
    predictions                                         // [id of a search, its file]
    outlines                                            // [id of a search, the folder of its queries' outlines]

    main:
    // [cohort, task as JSON, scans, predictions, outlines]; a cohort without any is measured too
    measures = plan.flatMap { all -> all.evaluate }
    EVALUATE(
        measures.map { one -> [one.id, toJson(one)] }
            .join(gathered(measures, 'scans', scans), remainder: true)
            .join(gathered(measures, 'searches', predictions), remainder: true)
            .join(gathered(measures, 'searches', outlines), remainder: true)
            .map { id, json, folders, files, drawn -> [id, json, folders ?: [], files ?: [], drawn ?: []] }
    )
    // [id of a query, its answers to use]
    answers = EVALUATE.out.answers.flatMap { cohort, files -> [files].flatten().collect { path -> ["${cohort}@${path.baseName}".toString(), path] } }
    // [id of a batch, task as JSON, files of the images, scans, folder of outlines if there is one]
    views = plan.flatMap { all -> all.view }
    VIEW(
        views.map { one ->
            [
                one.id, one + [contents: one.viewed.collect { scan -> contentOf(sheetFile(scan.image)) }],
                one.viewed.collectMany { scan -> [sheetFile(scan.image)] + scan.voxels.collect { name -> sheetFile(name) } },
            ]
        }
            .join(gathered(views, 'scans', scans), remainder: true)
            .join(gathered(views, 'queries', answers), remainder: true)
            .join(gathered(views, 'outlines', outlines), remainder: true)
            .map { id, one, images, folders, files, drawn ->
                // The answers go by their text: EVALUATE runs again for one more query, in another folder.
                def told = (files ?: []).collectEntries { path -> [path.baseName, path.text] }
                [id, toJson(one + [answers: told]), images, folders ?: [], drawn ?: []]
            }
    )
    // [id of a query, its answers and the folder of outlines if there is one]
    exports = plan.flatMap { all -> all.export }
    found = answers.join(gathered(exports, 'outlines', outlines)).map { id, file, drawn -> [id, [file] + drawn] }
    // [id of a query, task as JSON, files of the image, scan, what was found]
    EXPORT(
        exports.map { one ->
            [one.id, toJson(one + [content: contentOf(sheetFile(one.image))]), [sheetFile(one.image)] + one.voxels.collect { name -> sheetFile(name) }]
        }
            .join(scans)
            .join(found)
    )
    EXPORT.out.said.flatMap { path -> path.readLines() }.take(20).subscribe { line -> log.warn(line) }
    EVALUATE.out.evaluated.subscribe { folder -> tellCompared(folder) }

    logs = curves.collect(sort: { path -> path.name }).ifEmpty([])
    TABULATE(EVALUATE.out.evaluated.collect(sort: { path -> path.name }), logs, plan.map { all -> all.tabulate })

    // For MultiQC: the packages of all tasks are those of CHECK.
    channel.topic('versions')
        .map { path -> path.text + "Workflow:\n  Nextflow: ${workflow.nextflow.version}\n" }
        .collectFile(name: 'rprloc_mqc_versions.yml')
        // Not by storeDir, which makes its folder where nothing runs.
        .subscribe { path -> path.copyTo(file("${params.outdir}/pipeline_info/${path.name}")) }

    // model's name in the results folder -> its hash
    weights = models.map { id, path -> [("${id}.${path.extension}".toString()): weightsHash(path)] }.reduce([:]) { all, one -> all + one }
    hashes = scans.map { id, folder -> [(id.toString()): hashesOf(folder)] }.reduce([:]) { all, one -> all + one }
    REPORT(
        plan.combine(weights).combine(hashes).map { all, models_hashes, scans_hashes ->
            toJson([report: all.report, launch: launch(workflow, models_hashes, scans_hashes)])
        },
        TABULATE.out.results, figured(TABULATE.out.results, scans),
        VIEW.out.manifest.collect(sort: { path -> path.name }).ifEmpty([]),
        logs,
    )
}
