// Where the structures lie in every query.

include { LOCALIZE ; LOCALIZE as REGISTER } from '../modules/localize'
include { staged } from '../modules/support'

workflow SEARCH {
    take:
    plan                                                // the plan, once
    scans                                               // [id of a scan, its folder]
    models                                              // [id of a network, its file]

    main:
    LOCALIZE(staged(plan.flatMap { all -> all.localize }, scans, models))
    // The same without a GPU.
    REGISTER(staged(plan.flatMap { all -> all.register }, scans, models))
    predictions = LOCALIZE.out.predictions.mix(REGISTER.out.predictions)
    outlines = LOCALIZE.out.outlines.mix(REGISTER.out.outlines)

    emit:
    predictions                                         // [id of a search, its file]
    outlines                                            // [id of a search, the folder of its queries' outlines]
}
