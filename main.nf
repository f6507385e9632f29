#!/usr/bin/env nextflow
// Find organs and landmarks in every scan of a cohort from one annotated example.
//   samples.csv ─ NAMES ─ CHECK (writes the plan) ─ LEARN:  PREPROCESS (each scan) ─ TRAIN, TEACH (each network)
//                                                 ─ SEARCH: LOCALIZE, REGISTER (each family of methods, each batch of queries)
//                                                 ─ TELL:   EVALUATE (each cohort) ─ VIEW (each batch), EXPORT (each query), TABULATE ─ REPORT

include { NAMES } from './modules/names'
include { CHECK } from './modules/check'
include { LEARN } from './workflows/learn'
include { SEARCH } from './workflows/search'
include { TELL } from './workflows/tell'
include { accepted ; asked ; atEnd ; existing ; helpText ; onlyAble ; packageHash ; settingsFiles ; watchQueue ; weightsFolder } from './modules/support'

workflow RPRLOC {
    take:
    sheet                                               // the sample sheet, [] where there is none; nothing for --help

    main:
    code = packageHash()
    NAMES(sheet, code)
    CHECK(
        NAMES.out.found.map { names -> asked(names) }, sheet, file("${projectDir}/nextflow_schema.json"),
        files("${projectDir}/assets/cohorts/*.yml"), settingsFiles(params.cohort_folder),
        existing(params.cohort), weightsFolder(params.weights), code,
    )
    plan = CHECK.out.plan.map { json -> accepted(json) }
    LEARN(plan)
    SEARCH(plan, LEARN.out.scans, LEARN.out.models)
    TELL(plan, LEARN.out.scans, LEARN.out.models, LEARN.out.curves, SEARCH.out.predictions, SEARCH.out.outlines)
}

workflow {
    main:
    help = params.help.toString() == 'true'
    if (help) {
        println(helpText(file("${projectDir}/nextflow_schema.json")))
    }
    else if (!workflow.preview) {
        onlyAble(workflow)
        watchQueue(workflow)
    }
    RPRLOC(help ? channel.empty() : channel.value(existing(params.input)))

    workflow.onComplete = { atEnd(workflow, help) }
}
