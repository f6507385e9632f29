// Write what helps with each reason of a list for which Slurm lets a job wait: {reason: help or null}.

workflow {
    def queue = new GroovyClassLoader().parseClass(file("${params.checkout}/lib/SlurmQueue.groovy").toFile())
    def found = params.reasons.tokenize(',').collectEntries { reason -> [reason, queue.helpFor(reason)] }
    file('found.json').text = groovy.json.JsonOutput.toJson(found)
}
