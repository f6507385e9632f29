// How good the predictions are, and what people read.

include { EVALUATE } from '../modules/evaluate'
include { EXPORT } from '../modules/export'
include { TABULATE } from '../modules/tabulate'
include { REPORT } from '../modules/report'
include { contentOf ; gathered ; hashesOf ; launch ; sheetFile ; tellCompared ; toJson ; weightsHash } from '../modules/support'

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
    // [id of a query, its answers and the folder of outlines if there is one]
    exports = plan.flatMap { all -> all.export }
    found = EVALUATE.out.answers.flatMap { cohort, files -> [files].flatten().collect { path -> ["${cohort}@${path.baseName}".toString(), path] } }
        .join(gathered(exports, 'outlines', outlines))
        .map { id, answers, drawn -> [id, [answers] + drawn] }
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

    // model's name in the results folder -> its hash
    weights = models.map { id, path -> [("${id}.${path.extension}".toString()): weightsHash(path)] }.reduce([:]) { all, one -> all + one }
    hashes = scans.map { id, folder -> [(id.toString()): hashesOf(folder)] }.reduce([:]) { all, one -> all + one }
    REPORT(
        plan.combine(weights).combine(hashes).map { all, models_hashes, scans_hashes ->
            toJson([report: all.report, launch: launch(workflow, models_hashes, scans_hashes)])
        },
        TABULATE.out.results, scans.map { _id, folder -> folder }.collect(sort: { path -> path.name }), logs,
    )
}
