// Functions of main.nf and its workflows: names become files, and files come together by key. What is decided is the plan's.

/** What a JSON file holds, as plain maps: JsonSlurper's are filled when first read, which two threads may not do at once. */
def readJson(path) {
    new groovy.json.JsonSlurperClassic().parseText(path.text)
}

/** Text of --help: every parameter with its description and default, from the schema. */
def helpText(schema_file) {
    def groups = readJson(schema_file).get('$defs').values()
    def lines = groups.collectMany { group ->
        ['', group.title] + group.properties.collect { name, entry ->
            def value = entry.default == null ? '' : " [${entry.default}]"
            "  --${name.padRight(18)} ${entry.description}${value}"
        }
    }
    "Usage: nextflow run main.nf [-profile NAME,NAME] --input samples.csv [--outdir results]\n" + lines.join('\n') + "\n"
}

/** A class in lib by its name: `nextflow lint` 25.04 does not know what is there. */
def ownClass(name) {
    nextflow.Global.session.classLoader.loadClass(name)
}

/** The end of a run that cannot go well: profiles that do not fit, an image that is missing, a results folder in use. */
def onlyAble(run) {
    onlyFitting(run.profile)
    onlyWithImage(run.containerEngine)
    onlyRunIn(params.outdir, run)
}

/** The end of the run where another one writes to the same results folder. Nothing for folders that know no locks. */
def onlyRunIn(outdir, run) {
    def path = outdir ? file("${outdir}/pipeline_info/run.lock") : null
    if (!path || path.toUri().scheme != 'file') {
        return null
    }
    def host = file('/proc/sys/kernel/hostname').text.trim()
    def who = "run ${run.runName} (process ${ProcessHandle.current().pid()} on ${host}, since ${run.start.format('yyyy-MM-dd HH:mm')})"
    def other = null
    try {
        other = ownClass('RunLock').take(path, who.toString())
    }
    catch (IOException _unknown) {
        log.warn("${outdir} knows no locks: start no other run with the same --outdir at the same time.")
    }
    if (other != null) {
        error("${outdir}: found ${other} at work there, expected a folder that no other run writes to; wait for its end or name another one with --outdir.")
    }
}

/** Give the results folder back and say what to do about jobs that the scheduler refused, and say where the report is, or which disks are full, which Nextflow does not name. */
def atEnd(run, help) {
    ownClass('RunLock').release()
    ownClass('SlurmQueue').refused(run.errorReport).each { line -> println(line) }
    if (run.success && !run.preview && !help) {
        tellProcesses()
        println("Open ${file(params.outdir)}/report.html")
    }
    [run.workDir, params.outdir ? file(params.outdir) : null]
        .findAll { folder -> !run.success && folder && folder.toUri().scheme == 'file' && folder.exists() }
        .findAll { folder -> folder.toFile().usableSpace < 4_000_000 }
        .each { folder -> println("${folder}: found no room on its disk, expected some; free it and start again with -resume.") }
}

/** Write seconds and memory by process for the report, which shows them; nothing where the trace cannot be read. */
def tellProcesses() {
    def trace = file("${params.outdir}/pipeline_info/execution_trace.txt")
    def rows = trace.exists() ? ownClass('Processes').of(trace.text) : []
    if (rows) {
        trace.resolveSibling('processes.js').text = "rprlocProcesses(${groovy.json.JsonOutput.toJson(rows)});\n"
    }
}

/** Hash of the whole package: the tasks that write the plan run again after every edit, and the plan says for each
    other task what its own code is. */
def packageHash() {
    files("${projectDir}/rprloc/**.{py,json,csv,j2,js,css}")
        .sort { path -> path.toString() }
        .collect { path -> "${path.name}\n${path.text}" }
        .join('\n')
        .md5()
}

/** A value as one line of JSON: a process hands it to its command as the line of a quoted here-document, so that
    nothing in it is ever read by the shell. */
def toJson(value) {
    groovy.json.JsonOutput.toJson(value)
}

/** The file of a name, or nothing where there is none. */
def existing(name) {
    def path = name ? file(name.toString(), glob: false) : null
    path && path.exists() && !path.isDirectory() ? path : []
}

/** The folder of a name, or nothing where there is none. */
def existingFolder(name) {
    def path = name ? file(name.toString(), glob: false) : null
    path && path.isDirectory() ? path : []
}

/** The folder of trained models: a shipped one by its name, else the user's; all that ship for `auto`, nothing for `none`. */
def weightsFolder(name) {
    if (name?.toString() == 'auto') {
        return file("${projectDir}/rprloc/weights")
    }
    def shipped = name && name.toString() ==~ /[a-z][a-z0-9-]*/ ? file("${projectDir}/rprloc/weights/${name}") : null
    name?.toString() == 'none' ? [] : shipped?.isDirectory() ? shipped : existingFolder(name)
}

/** The settings files in a folder of the user's, by whatever name the folder goes. */
def settingsFiles(name) {
    def folder = existingFolder(name)
    folder ? folder.listFiles().findAll { path -> path.name.endsWith('.yml') && !path.isDirectory() }.sort { path -> path.name } : []
}

/** The folder of the trainings' states, made where it is missing. */
def statesFolder(name) {
    def folder = file(name)
    folder.mkdirs()
    folder.toString()
}

/** SHA-256 of a model's tensors. */
def weightsHash(path) {
    ownClass('Tensors').sha256(path)
}

/** A file that the sheet names: an address, an absolute path, or one relative to the sheet. */
def sheetFile(name) {
    name =~ /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\// ? file(name, glob: false) : file(params.input.toString(), glob: false).parent.resolve(name)
}

/** A scan's task with what its image's folder holds, the files of the image, and those of the label. */
def scanFiles(one) {
    def image = sheetFile(one.image)
    [one + [content: contentOf(image)], [image] + one.voxels.collect { name -> sheetFile(name) }, one.label.collect { name -> sheetFile(name) }]
}

/** What CHECK is told, as JSON: the parameters, what messages call the sheet, and what lies at the paths that it names. */
def asked(names_json) {
    def names = readJson(names_json)
    toJson([
        parameters: params, name: params.input, places: names.collectEntries { name -> [name, placeOf(sheetFile(name))] },
        processors: onThisMachine() ? Runtime.runtime.availableProcessors() : null,
        commit: commit(),
        own_folder: !params.cohort_folder || existingFolder(params.cohort_folder) != [],
    ])
}

/** Whether all of the run is computed on this machine. */
def onThisMachine() {
    (nextflow.Global.session.config.process?.executor ?: 'local') == 'local'
}

/** What lies at a path: its kind, a folder's images and marks, those of its paths that the shell would take for others too, and of
    a header whose voxels lie in another file its text and the files that may hold them. */
def placeOf(path) {
    def kind = path.exists() ? path.isDirectory() ? 'folder' : 'file' : 'nothing'
    def inside = kind == 'folder' ? path.listFiles().findAll { one -> one.name ==~ /(?i).*\.(nii|nii\.gz|nrrd|mha|json|csv)/ && !one.isDirectory() }.sort { one -> one.name } : []
    def apart = kind == 'file' && path.name ==~ /(?i).*\.(mhd|nhdr|hdr|img)/
    def head = apart && path.name ==~ /(?i).*\.(mhd|nhdr)/ && path.size() < 1_000_000 ? path.text : ''
    def beside = apart ? path.parent.listFiles().findAll { one -> one.name.startsWith(path.baseName) || head.contains(one.name) } : []
    def ambiguous = ([path] + inside).findAll { one ->
        one.toUri().scheme == 'file' && one.toString().find(/[*?\[]/) && files(one.toString()).any { other -> other != one }
    }
    [
        path: path.toString(), kind: kind, files: inside.collect { one -> one.name }, ambiguous: ambiguous.collect { one -> one.toString() },
        head: head, beside: beside.collect { one -> one.name }.sort(),
    ]
}

/** A hash of what lies in a folder, by names, sizes and times, as the cache knows a folder by its own time only;
    nothing for a file. */
def contentOf(path) {
    path.isDirectory() ? filesBelow(path).collect { one -> "${path.relativize(one)} ${one.size()} ${one.lastModified()}" }.sort().join('\n').md5() : ''
}

/** The files below a folder; links to folders are not followed. */
def filesBelow(folder) {
    (folder.listFiles() ?: []).collectMany { one ->
        !one.isDirectory() ? [one] : java.nio.file.Files.isSymbolicLink(one) ? [] : filesBelow(one)
    }
}

/** The plan, or the end of the run with all its faults, a sentence each. */
def accepted(plan_json) {
    def plan = readJson(plan_json)
    if (plan.faults) {
        error(plan.faults.join('\n'))
    }
    plan.warnings.each { warning -> log.warn(warning) }
    ownClass('Requests').take(plan.requests)
    plan.notes.each { note -> log.info(note) }
    plan
}

/** The processors that a task asks for, as the plan says of its process. */
def cpusOf(task) {
    ownClass('Requests').of(task.process).cpus
}

/** The memory that a task asks for: more at each attempt but one that its time limit (exit status 140) ended. */
def memoryOf(task) {
    ownClass('Requests').of(task.process).memory_gb * 1.GB * (task.exitStatus == 140 ? 1 : task.attempt ?: 1)
}

/** The time that a task asks for; of one that goes on where the last attempt was stopped the same at each attempt, and
    none on this machine, where nobody waits for its share. */
def timeOf(task, goes_on) {
    goes_on && onThisMachine() ? null : ownClass('Requests').of(task.process).hours * 1.h * (task.exitStatus == 140 ? goes_on ? 1 : task.attempt ?: 1 : 1)
}

/** The device of a task: after two attempts the CPU, told, where no GPU worked (exit status 69). */
def deviceOf(task) {
    def broken = task.exitStatus == 69 && task.attempt > 2
    if (broken) {
        log.warn("${task.name}: found no GPU that works in two attempts; it computes on the CPU.")
    }
    broken ? 'cpu' : task.accelerator ? 'cuda' : 'auto'
}

/** The end of the run where profiles do not go together: one engine of containers, or Conda, one scheduler, or this
    machine, and one set of scans. */
def onlyFitting(profiles) {
    def kinds = [
        'container engine': ['docker', 'podman', 'singularity', 'apptainer', 'charliecloud', 'conda'],
        scheduler: ['standard', 'slurm', 'sge', 'pbs', 'lsf'],
        'set of scans': ['demo', 'test'],
    ]
    kinds.each { kind, names ->
        def found = profiles.toString().tokenize(',').findAll { name -> name.trim() in names }.unique()
        if (found.size() > 1) {
            error("command line, option -profile: found ${found.join(' and ')}, expected one ${kind}.")
        }
    }
}

/** The end of the run where the image of its containers is missing, with the command that makes it. */
def onlyWithImage(engine) {
    def image = nextflow.Global.session.config.process?.container
    def own = image instanceof CharSequence && image.toString() ==~ /(localhost\/|.*\/)?rprloc[:-][0-9.]+(\.sif)?/
    def command = !own || !engine ? null : ownClass('Images').missing(engine.toString(), image.toString())
    if (command) {
        error("profile ${engine}: found no image ${image}, expected it on this machine; make it in the checkout's folder with\n    ${command}")
    }
}

/** Warn of jobs that a run which is gone has left in the queue of Slurm, and of those of this run that will never start. */
def watchQueue(run) {
    if (nextflow.Global.session.config.process?.executor == 'slurm' && run.workDir.toUri().scheme == 'file') {
        ownClass('SlurmQueue').watch(run.workDir.toString(), { line -> log.warn(line) })
    }
}

/** [id of a task, files]: for each task of the plan the files whose ids stand in its list, of items [id, file], sorted,
    as soon as they are there; at the end those of which some never came. Nothing for a task of which none came. */
def gathered(tasks, list, items) {
    tasks.flatMap { one -> one[list].collect { id -> [id, groupKey(one.id, one[list].size())] } }
        .combine(items, by: 0)
        .map { _id, key, path -> [key, path] }
        .groupTuple(remainder: true)
        .map { key, paths -> [key.toString(), paths.sort { path -> path.name }] }
        .mix(tasks.filter { one -> !one[list] }.map { one -> [one.id, []] })
}

/** [id, task as JSON, scans, models] of each task of the plan, as soon as its scans and models are there; one whose
    model never came is left out. */
def staged(tasks, scans, models) {
    tasks.map { one -> [one.id, one.models.size(), toJson(one)] }
        .join(gathered(tasks, 'scans', scans))
        .join(gathered(tasks, 'models', models))
        .filter { _id, count, _json, _folders, files -> files.size() == count }
        .map { id, _count, json, folders, files -> [id, json, folders, files] }
}

/** The folders of the scans that figure 4 shows, once: TABULATE says which. */
def figured(results, scans) {
    results
        .map { files -> readJson([files].flatten().find { path -> path.name == 'tables' }.resolve('shown.json')) }
        .map { cohorts -> [cohorts.collectMany { one -> one.figure + (params.figure_query ? ["${one.cohort}@${params.figure_query}".toString()] : []) }] }
        .combine(scans.toList().map { all -> [all] })
        .map { names, all -> all.findAll { id, _folder -> names.contains(id) }.collect { _id, folder -> folder }.sort { path -> path.name } }
}

/** Warn of what was found when a cohort's scans were compared, and say which weights were chosen, by the folder that EVALUATE wrote. */
def tellCompared(folder) {
    def path = folder.resolve('findings.csv')
    def rows = path.exists() ? path.splitCsv(header: true, quote: '"') : []
    def lines = rows.collect { row -> "${row.cohort} ${row.subject}: ${row.finding}".toString() }
    ownClass('Findings').first(lines).each { line -> log.warn(line) }
    def weights = folder.resolve('weights.csv')
    def chosen = weights.exists() ? weights.splitCsv(header: true, quote: '"') : []
    chosen.each { row -> log.info("cohort ${row.cohort}: ${row.method}, weights ${row.weights} (${row.why}), queries: ${row.queries}") }
}

/** What the report tells about the run. The command is given without -resume: a resumed run is the same run. */
def launch(run, weights, scans) {
    def own = run.configFiles.findAll { path -> !path.startsWith(projectDir) && path.exists() }
    def image = run.containerEngine ? nextflow.Global.session.config.process?.container : null
    [
        command: run.commandLine.replaceAll(/ -resume( [0-9a-f-]{36})?/, ''), profile: run.profile,
        pipeline: run.manifest.version, nextflow: run.nextflow.version.toString(), commit: commit(), code: packageHash(),
        executor: nextflow.Global.session.config.process?.executor ?: 'local',
        config: own.collectEntries { path -> [path.toString(), path.text] }.sort(),
        image: image instanceof CharSequence ? image.toString() : '',
        digest: image instanceof CharSequence ? ownClass('Images').digest(run.containerEngine.toString(), image.toString()) : '',
        weights: weights.sort(), scans: scans.sort(),
    ]
}

/** The commit of the checkout. */
def commit() {
    ownClass('Checkout').commit(projectDir.toString())
}

/** The record of a scan whose folder is given. */
def recordOf(folder) {
    readJson(folder.resolve("${folder.name.tokenize('@')[1]}.json"))
}

/** The hashes of a scan's files and of its label's, as PREPROCESS found them in a folder. */
def hashesOf(folder) {
    def record = recordOf(folder)
    [image: record.source_sha256, label: record.label_sha256]
}

/** Warn of what was found odd in a scan whose folder is given. */
def tellFindings(folder) {
    ownClass('Findings').of(recordOf(folder)).each { line -> log.warn(line) }
}
