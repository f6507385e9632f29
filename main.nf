#!/usr/bin/env nextflow
// Find organs and landmarks in every scan of a cohort from one annotated example.
//
//   samples.csv - CHECK - PREPROCESS (each scan) - TRAIN, TEACH (each network) - LOCALIZE (each family of methods, batch of queries)
//                                                - EVALUATE (each cohort) - TABULATE - REPORT

include { CHECK } from './modules/check'
include { PREPROCESS } from './modules/preprocess'
include { TRAIN ; TRAIN as TEACH } from './modules/train'
include { LOCALIZE ; LOCALIZE as REGISTER } from './modules/localize'
include { EVALUATE } from './modules/evaluate'
include { TABULATE } from './modules/tabulate'
include { REPORT } from './modules/report'
include { accepted ; codeHash ; existing ; fileHash ; fullDisks ; grouped ; helpText ; maskFiles ; onlyRunIn ; runValues ; settingsFiles ; sheetFile ; toJson ; trainingsOf ; weightsFolder } from './modules/support'

workflow RPRLOC {
    main:
    // CHECK's findings go on as one value; faults end the run there. `parameters` are typed, whatever came in.
    sheet = existing(params.input)
    CHECK(
        toJson([parameters: params, name: params.input]), sheet, file("${projectDir}/nextflow_schema.json"),
        files("${projectDir}/assets/cohorts/*.yml"), settingsFiles(params.cohort_folder),
        existing(params.cohort), weightsFolder(params.weights, projectDir), codeHash(['cohort']),
    )
    found = CHECK.out.found.map { json -> accepted(json, sheet) }
    parameters = found.map { all -> all.parameters }
    seed = parameters.map { given -> given.seed }

    // [cohort, subject, settings, image, label]; the label is a file, a mask a structure, or nothing
    inputs = found.flatMap { all -> all.rows.collect { row ->
        def settings = all.cohorts[row.cohort].stages.preprocess
        def masks = maskFiles(sheet, row, settings.structures)
        def names = masks?.collectEntries { structure, paths -> [structure, paths[0].name] }
        [row.cohort, row.subject, toJson(settings + [masks: names]), sheetFile(sheet, row.image), masks?.values()?.flatten() ?: sheetFile(sheet, row.label)]
    } }
    PREPROCESS(inputs, codeHash(['scans']))

    // [cohort, row, folder of the scan]
    scans = found.flatMap { all -> all.rows.collect { row -> [row.cohort, row.subject, row] } }
        .join(PREPROCESS.out.scan, by: [0, 1])
        .map { cohort, _subject, row, scan -> [cohort, row, scan] }

    // cohort -> [[row, scan]] of its training and validation scans, and of its supports
    learning = grouped(scans.filter { _cohort, row, _scan -> row.train || row.validation }, 'training')
    supports = grouped(scans.filter { _cohort, row, _scan -> row.support }, 'support')

    // [cohort, network, values, training scans, validation scans, models, supports]
    trainings = learning.combine(found).flatMap { cohort, members, all -> trainingsOf('train', cohort, members, all, [], []) }
    trained = parameters.map { given -> given.training }
    TRAIN(trainings, trained, seed, codeHash(['cohort/methods.py', 'scans', 'networks', 'training']))

    // [cohort, network, model], trained or given
    early = TRAIN.out.model.mix(
        found.flatMap { all -> all.models.collectMany { cohort, files ->
            files.collect { network, name -> [cohort, network, weightsFolder(params.weights, projectDir).resolve(name)] }
        } },
    )

    // networks that learn from what others and the supports find in the training scans
    lessons = learning.combine(early.filter { _cohort, network, _model -> network == 'position_map' }, by: 0)
        .combine(supports, by: 0)
        .combine(found)
        .flatMap { cohort, members, _network, model, told, all -> trainingsOf('teach', cohort, members, all, [model], told) }
    TEACH(lessons, trained, seed, codeHash(['cohort/methods.py', 'scans', 'networks', 'training', 'methods']))
    models = early.mix(TEACH.out.model)

    // [cohort@family, models], as soon as the family's networks are there
    families = found.flatMap { all -> all.cohorts.collectMany { cohort, asked -> asked.families.collect { family -> [cohort, family] } } }
    networks = models.combine(families, by: 0)
        .filter { _cohort, network, _model, family -> network in family.networks }
        .map { cohort, _network, model, family -> [groupKey("${cohort}@${family.name}".toString(), family.networks.size()), model] }
        .groupTuple()
        .map { key, files -> [key.toString(), files.sort { path -> path.name }] }
        .mix(families.filter { _cohort, family -> !family.networks }.map { cohort, family -> ["${cohort}@${family.name}".toString(), []] })

    // [cohort, family, batch, settings, tables, models, supports, queries]; the batch `supports` searches some supports, whose
    // truth is known, from the others: so answers can say how sure they are
    batches = grouped(scans.filter { _cohort, row, _scan -> row.query }.map { cohort, row, scan -> ["${cohort}@${row.batch}", row, scan] }, 'batch')
        .map { _key, members -> [members[0][0].cohort, members[0][0].batch, members.collect { _row, scan -> scan }] }
        .mix(supports.map { cohort, members -> [cohort, 'supports', members.take(20).collect { _row, scan -> scan }] })
        .combine(supports, by: 0)
        .combine(families, by: 0)
        .filter { _cohort, batch, _queries, _members, family -> batch != 'supports' || family.calibrated }
        .combine(found)
        .map { cohort, batch, queries, members, family, all -> [
            "${cohort}@${family.name}".toString(), cohort, family, batch, all.cohorts[cohort].tables, members.collect { _row, scan -> scan }, queries,
        ] }
        .combine(networks, by: 0)
        .map { _key, cohort, family, batch, tables, members, queries, files -> [
            cohort, family.name, batch, toJson(family.settings), family.name == 'regression' && tables, files, family.supports ? members : [], queries,
        ] }
    code = codeHash(['cohort/methods.py', 'scans', 'networks', 'methods'])
    LOCALIZE(batches.filter { batch -> batch[1] != 'registration' }, seed, code)
    REGISTER(batches.filter { batch -> batch[1] == 'registration' }, seed, code)

    // [cohort, checked rows and settings, tables, scans, predictions]; a cohort without any answer is measured too
    answers = grouped(scans, 'all')
        .join(LOCALIZE.out.predictions.mix(REGISTER.out.predictions).groupTuple().map { cohort, files -> [cohort, files.sort { path -> path.name }] }, remainder: true)
        .combine(found)
        .map { cohort, members, predictions, all -> [
            cohort, toJson([rows: all.rows.findAll { row -> row.cohort == cohort }, cohorts: all.cohorts.subMap([cohort])]),
            all.cohorts[cohort].tables, members.collect { _row, scan -> scan }, predictions ?: [],
        ] }
    EVALUATE(answers, seed, codeHash(['cohort/methods.py', 'scans', 'methods', 'results']))

    curves = TRAIN.out.curve.mix(TEACH.out.curve).collect(sort: { path -> path.name }).ifEmpty([])
    TABULATE(
        EVALUATE.out.evaluated.collect(sort: { path -> path.name }), curves,
        found.map { all -> toJson(all.cohorts.collectEntries { cohort, settings -> [cohort, settings.starts] }) },
        codeHash(['cohort/methods.py', 'methods', 'results']),
    )
    // model's name in the results folder -> its hash
    weights = models.map { cohort, _network, path -> [("${cohort}/${path.name}".toString()): fileHash(path)] }
        .reduce([:]) { all, one -> all + one }
    REPORT(
        found.combine(weights).map { all, hashes -> toJson(runValues(workflow, all, hashes)) }.first(), TABULATE.out.results,
        scans.map { _cohort, _row, scan -> scan }.collect(sort: { path -> path.name }),
        curves, codeHash(['cohort/methods.py', 'scans', 'methods', 'results']),
    )
}

workflow {
    main:
    if (params.help.toString() == 'true') {
        println(helpText(file("${projectDir}/nextflow_schema.json")))
    }
    else {
        lock = workflow.preview ? null : onlyRunIn(params.outdir, workflow)
        RPRLOC()
    }

    workflow.onComplete = {
        lock?.release()
        if (!workflow.success) {
            fullDisks([workflow.workDir, params.outdir ? file(params.outdir) : null]).each { said -> println(said) }
        }
        if (workflow.success && !workflow.preview && params.help.toString() != 'true') {
            println("Open ${file(params.outdir)}/report.html")
        }
    }
}
