// What every scan becomes, and what networks learn from them.

include { PREPROCESS ; PREPROCESS as WIDEN ; PREPROCESS_TOGETHER } from '../modules/preprocess'
include { TRAIN ; TRAIN as TEACH } from '../modules/train'
include { gathered ; ownClass ; recordOf ; scanFiles ; staged ; statesFolder ; tellFindings ; toJson ; weightsFolder } from '../modules/support'

workflow LEARN {
    take:
    plan                                                // the plan, once

    main:
    // [id of a batch, its scans' tasks]
    batches = plan.flatMap { all ->
        def tasks = all.preprocess.collectEntries { one -> [one.id, one] }
        all.together.collect { batch -> [batch.id, batch.scans.collect { id -> tasks[id] }] }
    }
    PREPROCESS_TOGETHER(batches.map { id, ones ->
        def (told, images, labels) = ones.collect { one -> scanFiles(one) }.transpose()
        [id, toJson(told), images.flatten(), labels.flatten()]
    })
    // Scans that are in no batch, and those that one has lost.
    alone = plan.flatMap { all ->
        def shared = all.together.collectMany { batch -> batch.scans } as Set
        all.preprocess.findAll { one -> !shared.contains(one.id) }
    }
    lost = batches.join(PREPROCESS_TOGETHER.out.scans, remainder: true).flatMap { _id, ones, folders ->
        def came = [folders ?: []].flatten().collect { folder -> folder.name }
        ones.findAll { one -> !(one.id in came) }
    }
    // [id of a scan, task as JSON, files of the image, files of the label]
    PREPROCESS(alone.mix(lost).map { one ->
        def (told, image, label) = scanFiles(one)
        [one.id, toJson(told), image, label]
    })
    cropped = PREPROCESS.out.scan.mix(PREPROCESS_TOGETHER.out.scans.flatMap { _id, folders ->
        [folders].flatten().collect { folder -> [folder.name, folder] }
    })
    // Queries whose crop is much smaller than those of the supports are read once more, whole.
    supports = plan.flatMap { all -> all.evaluate }.map { one ->
        [id: one.id, supports: one.members.findAll { member -> member.support }.collect { member -> "${one.id}@${member.subject}".toString() }]
    }
    usual = supports.map { one -> [one.id, one.supports] }
        .join(gathered(supports, 'supports', cropped), remainder: true)
        .map { cohort, names, folders -> [cohort, names, ownClass('Crops').usual((folders ?: []).collect { folder -> recordOf(folder) })] }
    beside = cropped.map { id, folder -> [id.tokenize('@')[0], id, folder] }.combine(usual, by: 0).branch { _cohort, id, folder, names, crops ->
        small: !(id in names) && ownClass('Crops').small(recordOf(folder), crops)
        kept: true
    }
    WIDEN(beside.small.map { _cohort, id, _folder, _names, crops -> [id, crops] }
        .join(plan.flatMap { all -> all.preprocess }.map { one -> [one.id, one] })
        .map { id, crops, one ->
            def (told, image, label) = scanFiles(one)
            [id, toJson(told + [usual_mm: crops]), image, label]
        })
    scans = WIDEN.out.scan.mix(beside.kept.map { _cohort, id, folder, _names, _crops -> [id, folder] })
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
