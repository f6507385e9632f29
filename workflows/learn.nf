// What every scan becomes, and what networks learn from them.

include { PREPROCESS } from '../modules/preprocess'
include { TRAIN ; TRAIN as TEACH } from '../modules/train'
include { contentOf ; sheetFile ; staged ; statesFolder ; tellFindings ; toJson ; weightsFolder } from '../modules/support'

workflow LEARN {
    take:
    plan                                                // the plan, once

    main:
    // [id of a scan, task as JSON, files of the image, files of the label]
    PREPROCESS(plan.flatMap { all -> all.preprocess }.map { one ->
        def image = sheetFile(one.image)
        [
            one.id, toJson(one + [content: contentOf(image)]),
            [image] + one.voxels.collect { name -> sheetFile(name) }, one.label.collect { name -> sheetFile(name) },
        ]
    })
    scans = PREPROCESS.out.scan
    scans.subscribe { _id, folder -> tellFindings(folder) }

    // [id of a network, its file]
    given = plan.flatMap { all -> all.models }.map { one -> [one.id, weightsFolder(params.weights).resolve(one.file)] }

    // A task of the plan each; the trainings' states are where the launch folder says, in a folder that is made here:
    // a container engine would make it as root.
    trainings = plan.flatMap { all -> all.train }.map { one -> one + [checkpoints: statesFolder(one.checkpoints)] }
    lessons = plan.flatMap { all -> all.teach }.map { one -> one + [checkpoints: statesFolder(one.checkpoints)] }

    TRAIN(staged(trainings, scans, given))
    early = given.mix(TRAIN.out.model)
    TEACH(staged(lessons, scans, early))
    models = early.mix(TEACH.out.model)
    curves = TRAIN.out.curve.mix(TEACH.out.curve)

    emit:
    scans                                               // [id of a scan, its folder]
    models                                              // [id of a network, its file]
    curves                                              // a file each
}
