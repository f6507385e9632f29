/** What the tasks of a process ask a scheduler for, as the plan says it. */
class Requests {
    private static volatile Map requests = [:]

    /** Keep what a plan says: process -> cpus, memory_gb and hours. */
    static void take(Map all) {
        requests = all
    }

    /** Return what a process asks for, whatever workflow it is part of; the least before there is a plan. */
    static Map of(String process) {
        requests[process.tokenize(':').last()] ?: [cpus: 1, memory_gb: 2, hours: 1]
    }
}
