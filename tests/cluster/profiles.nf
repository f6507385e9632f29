// Write what Nextflow configures by every two profiles of a list, in both orders, and what the pipeline says of them:
// {parser: {"one,other": {"refused": sentence or null, "configured": text}}}. In one process, which is what makes it quick.

include { onlyFitting } from '../../modules/support'

def refusal(profiles) {
    try {
        onlyFitting(profiles)
        return null
    }
    catch (java.lang.reflect.InvocationTargetException refused) {
        return refused.cause.message
    }
}

def configured(profiles, parser) {
    nextflow.SysEnv.push(System.getenv() + [NXF_SYNTAX_PARSER: parser])
    try {
        def builder = new nextflow.config.ConfigBuilder().setShowClosures(true).setBaseDir(file(params.checkout)).setProfile(profiles)
        return nextflow.util.ConfigHelper.toFlattenString(builder.buildConfigObject(), true)
    }
    finally {
        nextflow.SysEnv.pop()
    }
}

workflow {
    def names = params.profiles.tokenize(',')
    def pairs = [names, names].combinations().findAll { one, other -> one != other }.collect { pair -> pair.join(',') }
    def found = ['v1', 'v2'].collectEntries { parser ->
        [parser, pairs.collectEntries { pair -> [pair, [refused: refusal(pair), configured: configured(pair, parser)]] }]
    }
    file('found.json').text = groovy.json.JsonOutput.toJson(found)
}
