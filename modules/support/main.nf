// Functions of main.nf.

/** Text of --help: every parameter with its description and default, from the schema. */
def helpText(schema_file) {
    def groups = new groovy.json.JsonSlurper().parse(schema_file).get('$defs').values()
    def lines = groups.collectMany { group ->
        ['', group.title] + group.properties.collect { name, entry ->
            def value = entry.default == null ? '' : " [${entry.default}]"
            "  --${name.padRight(18)} ${entry.description}${value}"
        }
    }
    "Usage: nextflow run main.nf [-profile NAME,NAME] --input samples.csv [--outdir results]\n" + lines.join('\n') + "\n"
}

/** A lock on the results folder, which the system frees when this process ends, however that may be; the end of the
    run where another one has it. Nothing for folders that know no locks. */
def onlyRunIn(outdir, run) {
    def path = outdir ? file("${outdir}/pipeline_info/run.lock") : null
    if (!path || path.toUri().scheme != 'file') {
        return null
    }
    path.parent.mkdirs()
    def channel = java.nio.channels.FileChannel.open(path, java.nio.file.StandardOpenOption.CREATE, java.nio.file.StandardOpenOption.WRITE)
    def lock = null
    try {
        lock = channel.tryLock()
    }
    catch (IOException _unknown) {
        channel.close()
        path.delete()
        log.warn("${outdir} knows no locks: start no other run with the same --outdir at the same time.")
        return null
    }
    if (!lock) {
        error("${outdir}: found ${path.text.trim()} at work there, expected a folder that no other run writes to; wait for its end or name another one with --outdir.")
    }
    // By the channel: a process that closes a file that it has opened a second time loses its lock.
    def who = "run ${run.runName} (process ${ProcessHandle.current().pid()} on ${file('/proc/sys/kernel/hostname').text.trim()}, since ${run.start.format('yyyy-MM-dd HH:mm')})"
    channel.truncate(0).write(java.nio.ByteBuffer.wrap("${who}\n".getBytes('UTF-8')))
    channel.force(true)
    lock
}

/** Hash of the package's folders and files that a process uses, so that edited code runs again and other code does not. */
def codeHash(parts) {
    def paths = (['*.py'] + parts.collect { part -> part.endsWith('.py') ? part : "${part}/**" })
        .collectMany { pattern -> files("${projectDir}/rprloc/${pattern}") }
        .findAll { path -> path.name ==~ /.*\.(py|json|csv|j2)/ && path.name != 'cli.py' }
    paths.sort { path -> path.toString() }.collect { path -> "${path.name}\n${path.text}" }.join('\n').md5()
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

/** The folder of trained models: a shipped one by its name, else the user's; nothing for `none`. */
def weightsFolder(name, project) {
    def shipped = name && name.toString() ==~ /[a-z][a-z0-9-]*/ ? file("${project}/rprloc/weights/${name}") : null
    name?.toString() == 'none' ? [] : shipped?.isDirectory() ? shipped : existingFolder(name)
}

/** The settings files in a folder of the user's, by whatever name the folder goes. */
def settingsFiles(name) {
    def folder = existingFolder(name)
    folder ? folder.listFiles().findAll { path -> path.name.endsWith('.yml') && !path.isDirectory() }.sort { path -> path.name } : []
}

/** A sentence for each folder whose disk is full: what Nextflow itself says of that does not name it. */
def fullDisks(folders) {
    folders.findAll { folder -> folder && folder.toUri().scheme == 'file' && folder.exists() && folder.toFile().usableSpace < 4_000_000 }
        .collect { folder -> "${folder}: found no room on its disk, expected some; free it and start again with -resume." }
}

/** SHA-256 of a file's content. */
def fileHash(path) {
    path.bytes.sha256()
}

/** A file that a sheet names: an address, an absolute path, or one relative to the sheet; nothing for an empty cell. */
def sheetFile(sheet, name) {
    if (!name) {
        return []
    }
    name =~ /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\// ? file(name, glob: false) : sheet.parent.resolve(name)
}

/** The masks of a label that is a pattern with `{structure}` in the file's name, or a folder of files named after
    their structures: structure -> files, of which there should be one. `wanted` are the structures to look for, null
    for all. Hidden files, files that are no images and the scan itself are no masks. Null for any other label. */
def maskFiles(sheet, row, wanted) {
    def place = row.label ? sheetFile(sheet, row.label) : null
    def inside = place && place.isDirectory()
    if (!place || !(inside || place.name.contains('{structure}'))) {
        return null
    }
    def (head, tail) = inside ? ['', ''] : place.name.split(/\{structure\}/, 2).toList()
    def ending = tail ? java.util.regex.Pattern.quote(tail) : /(?i:\.nii|\.nii\.gz|\.nrrd|\.mha)/
    def form = "^${java.util.regex.Pattern.quote(head)}(.+?)${ending}\$"
    def scan = sheetFile(sheet, row.image).normalize()
    def folder = inside ? place : place.parent
    (folder.isDirectory() ? folder.listFiles().toList() : [])
        .findAll { path -> path.name.matches(form) && !path.name.startsWith('.') && path.normalize() != scan && !path.isDirectory() }
        .groupBy { path -> path.name.replaceFirst(form, '$1') }
        .findAll { structure, _paths -> wanted == null || wanted.containsKey(structure) }
        .sort()
}

/** What is wrong with the masks that `maskFiles` found: [value, expected] each. */
def maskFaults(label, masks, wanted) {
    if (!masks) {
        def names = wanted == null ? 'any structure' : wanted.keySet().join(' or ')
        return [[label, "a file that exists, or a folder or pattern with a mask of ${names}, named after it"]]
    }
    def ambiguous = masks.groupBy { structure, _paths -> structure.toLowerCase() }
        .collect { _name, same -> same.values().flatten().collect { path -> path.name }.sort() }
        .findAll { names -> names.size() > 1 }
        .collect { names -> [names.join(' and '), 'one mask a structure (case does not count)'] }
    def nameless = masks.keySet().findAll { structure -> !structure.matches('[A-Za-z0-9][A-Za-z0-9._-]{0,63}') }
        .collect { structure -> [masks[structure][0].name, 'a mask whose structure has 1 to 64 of the characters A-Z a-z 0-9 . _ - as its name'] }
    ambiguous + nameless
}

/** Whether the shell would stage another file or none: Nextflow leaves it some characters of a path to expand. */
def expandable(path) {
    def text = path.toString()
    text.find(/\t|\$[\w{\[$!?@#*-]|\{[^{}]*(,|\.\.)[^{}]*\}/) || (
        path.toUri().scheme == 'file' && text.find(/[*?\[]/) && files(text).any { other -> other != path }
    )
}

/** A sentence for each file of a row that does not exist, is a folder, cannot be staged, or is not one mask of what is
    `wanted`. */
def fileFaults(sheet, row, wanted) {
    def masks = maskFiles(sheet, row, wanted)
    def named = ['image', 'label'].findAll { column -> row[column] && (column == 'image' || masks == null) }
        .collect { column -> [column, row[column], sheetFile(sheet, row[column])] }
    def missing = named.findAll { _column, _value, path -> !path.exists() }
        .collect { column, value, _path -> [column, value, 'a file that exists'] }
    def folders = named.findAll { _column, _value, path -> path.isDirectory() }
        .collect { column, value, _path -> [column, value, 'a file and not a folder (DICOM has to be converted first)'] }
    def staged = named + (masks ?: [:]).values().flatten().collect { path -> ['label', path.toString(), path] }
    def expanded = staged.findAll { _column, _value, path -> expandable(path) }.collect { column, value, _path ->
        [column, value, "a path without what the shell would expand: tab, \$NAME, {a,b}, or * ? [ ] that fit other files"]
    }
    def wrong = masks == null ? [] : maskFaults(row.label, masks, wanted).collect { fault -> ['label'] + fault }
    (missing + folders + expanded + wrong).collect { column, value, expected ->
        def said = "${params.input}, line ${row.line}, column '${column}': found '${value}', expected ${expected}."
        [file: params.input.toString(), line: row.line, message: said]
    }
}

/** What CHECK found, with the size of every group, or the end of the run with all faults, a sentence each.
    Whether files exist is looked up here: CHECK's container sees none of them. */
def accepted(check_json, sheet) {
    def found = new groovy.json.JsonSlurper().parse(check_json)
    def missing = found.rows.collectMany { row ->
        fileFaults(sheet, row, found.cohorts[row.cohort]?.stages?.preprocess?.structures)
    }
    def folder = params.cohort_folder
    def unseen = !folder || existingFolder(folder) ? [] : [
        [file: 'command line', message: "command line, parameter 'cohort_folder': found '${folder}', expected a folder that exists."]
    ]
    // Nextflow itself would publish to the root folder.
    def nowhere = params.outdir ? [] : [
        [file: 'command line', message: "command line, parameter 'outdir': found nothing, expected a folder for the results."]
    ]
    def faults = (nowhere + unseen + found.errors + missing).groupBy { fault -> fault.file }
    if (faults) {
        error(faults.collectMany { _file, of_file -> of_file.sort { fault -> fault.line ?: 0 } }.collect { fault -> fault.message }.join('\n'))
    }
    found.warnings.each { warning -> log.warn(warning) }
    def all = found.rows.countBy { row -> row.cohort }
    def training = found.rows.findAll { row -> row.train || row.validation }.countBy { row -> row.cohort }
    def support = found.rows.findAll { row -> row.support }.countBy { row -> row.cohort }
    def batch = found.rows.findAll { row -> row.query }.countBy { row -> [row.cohort, row.batch] }
    found + [rows: found.rows.collect { row -> row + [sizes: [
        all: all[row.cohort], training: training[row.cohort] ?: 0, support: support[row.cohort] ?: 0,
        batch: batch[[row.cohort, row.batch]] ?: 0,
    ]] }]
}

/** Items [key, row, scan] grouped by key as [key, [[row, scan], ...]], sorted by subject, each as soon as it is
    complete; a group that lost a member to a dead task goes on at the end without it. */
def grouped(items, size) {
    items.map { key, row, scan -> [groupKey(key.toString(), row.sizes[size]), [row, scan]] }
        .groupTuple(remainder: true)
        .map { key, members -> [key.toString(), members.sort { member -> member[0].subject }] }
}

/** The inputs of TRAIN or TEACH for the networks that check.json names under `part`, from a cohort's [row, scan] of the
    training and validation scans and, for TEACH, the position map and the [row, scan] of the supports. */
def trainingsOf(part, cohort, members, all, models, supports) {
    all.cohorts[cohort].stages[part].collect { network, settings -> [
        cohort, network,
        toJson([settings: settings, checkpoints: file(all.parameters.checkpoints).toString()]),
        members.findAll { row, _scan -> row.train }.collect { _row, scan -> scan },
        members.findAll { row, _scan -> row.validation }.collect { _row, scan -> scan },
        models, supports.collect { _row, scan -> scan },
    ] }
}

/** What the report tells about the run. The command is given without -resume: a resumed run is the same run. */
def runValues(run, found, weights) {
    def command = run.commandLine.replaceAll(/ -resume( [0-9a-f-]{36})?/, '')
    [
        run: [command: command, profile: run.profile, pipeline: run.manifest.version],
        versions: [nextflow: run.nextflow.version.toString()],
        sheet: found.sheet, weights: weights.sort(),
        check: [parameters: found.parameters, rows: found.rows, cohorts: found.cohorts],
    ]
}
