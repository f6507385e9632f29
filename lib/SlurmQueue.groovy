import java.nio.file.Path
import java.util.concurrent.TimeUnit

/** What Slurm's queue knows of a run's jobs and Nextflow does not say: those that can never start, and those of a run
    that was killed. */
class SlurmQueue {
    private static final int FIRST_SECONDS = 20
    private static final int EVERY_SECONDS = 40

    /** Reasons of a pending job that do not pass by themselves, without the Assoc or QOS of an account's limits, and what
        helps; the first one that fits. */
    private static final Map<String, String> HELP = [
        'PartitionTimeLimit|Max(Wall|Time).*': "ask for less time with --max_time, such as --max_time '1 h'",
        'Max\\w+MinutesPerJob.*': "ask for less time with --max_time, such as --max_time '1 h', or for fewer processors with --max_cpus",
        'PartitionConfig|PartitionNodeLimit|Max(Cpu|Node|Billing)Per(Job|Node).*': 'ask for fewer processors with --max_cpus, such as --max_cpus 2',
        'Max(Mem|Memory)Per(Job|Node).*|MaxMemPerLimit': "ask for less memory with --max_memory, such as --max_memory '4 GB'",
        'MaxGRESPer(Job|Node).*': 'ask for fewer GPUs with --gpus, see to --slurm_gres, or leave out the profile gpu',
        'Min(Cpu|Mem|GRES|Node|Billing).*': 'name a quality of service that takes small jobs with process.clusterOptions in a file for -c',
        'Grp(CPU|Mem|Memory|GRES|Node|Billing)Minutes(Limit)?|GrpWallLimit': 'name an account that has hours left with --slurm_account',
        'BadConstraints': 'ask for what a node of the partition has with --max_cpus, --max_memory or --slurm_gres',
        'AccountNotAllowed|InvalidAccount': 'name your account with --slurm_account',
        'InvalidQOS|QOSNotAllowed': "name a quality of service with process.clusterOptions in a file for -c",
        'PartitionDown|PartitionInactive': 'name a partition whose nodes take jobs with --slurm_partition',
        'JobHeld.*|.*held.*': 'or let them go with scontrol release',
    ]

    /** Tell of jobs that were in the queue before, whose folder lies below a work folder, then look every now and then
        for pending ones that cannot start; each reason is told once. Without Slurm's commands nothing is told. */
    static void watch(String work, Closure tell) {
        def folder = new File(work).canonicalPath
        def left = jobs(folder, '')
        if (left) {
            tell("${work}: found jobs that a run left in Slurm's queue (${named(left)}), expected none; " +
                "where no other run works there, end them with: scancel ${left*.id.join(' ')}".toString())
        }
        def before = left*.id as Set
        Set<String> told = [], alone = []
        Thread.startDaemon('slurm-queue') {
            sleep(FIRST_SECONDS * 1000)
            while (true) {
                def waiting = jobs(folder, '-t PENDING').findAll { job -> !(job.id in before) }
                def idle = jobs('/', '-t RUNNING,COMPLETING').empty
                waiting.groupBy { job -> job.reason }.each { reason, stuck ->
                    // What a user may have at a time is less than a job asks for where it waits beside no other, twice.
                    def capped = idle && stuck.any { job -> job.id in alone }
                    def help = helpFor(capped ? reason.replace('PerUser', 'PerJob') : reason)
                    if (help && told.add(reason)) {
                        tell("Slurm: found jobs that wait for what will not come (${named(stuck)}: ${reason}); stop the run, ${help}, and start it again with -resume.".toString())
                    }
                }
                alone = idle ? waiting*.id as Set : []
                sleep(EVERY_SECONDS * 1000)
            }
        }
    }

    /** Return what helps with a reason that does not pass, null for one that does. */
    static String helpFor(String reason) {
        HELP.find { pattern, _help -> reason.replaceFirst(/^(Assoc|QOS)/, '') ==~ pattern || reason ==~ pattern }?.value
    }

    /** Return what helps where Slurm has refused a job, in a line, or nothing. */
    static List<String> refused(String report) {
        if (report?.contains('Requested node configuration is not available')) {
            return ['No node of the partition is as large as a task asks for: set --max_cpus, --max_memory or --slurm_gres to what one has, or another --slurm_partition.']
        }
        // A limit for which a job would wait elsewhere.
        def help = (report =~ /sbatch: error: (\w+)\s/).collect { _all, reason -> helpFor(reason.toString()) }.find()
        help ? ["A task asks for more than its account or quality of service gives a job: ${help}.".toString()] : []
    }

    private static String named(List<Map> some) {
        def names = some.take(5).collect { job -> "${job.name} ${job.id}" }.join(', ')
        some.size() > 5 ? "${names}, ..." : names
    }

    /** Return the user's jobs whose folder lies below another one. */
    private static List<Map> jobs(String folder, String options) {
        try {
            def command = ['squeue', '-h', '-u', System.getProperty('user.name'), '-o', '%A|%j|%r|%Z', *options.tokenize()]
            def asked = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start()
            def text = asked.inputStream.text
            if (!asked.waitFor(30, TimeUnit.SECONDS) || asked.exitValue() != 0) {
                return []
            }
            return text.readLines().collect { line -> line.split(/\|/, 4) }
                .findAll { parts -> parts.size() == 4 && Path.of(parts[3]).startsWith(folder) }
                .collect { parts -> [id: parts[0], name: parts[1], reason: parts[2]] }
                .unique { job -> job.id }
        }
        catch (IOException none) {
            return []
        }
    }
}
