/** Seconds and memory by process, from the text of a run's trace. */
class Processes {
    private static final Map SECONDS = [ms: 0.001, s: 1, m: 60, h: 3600, d: 86400]
    private static final Map MEGABYTES = [B: 1e-6, KB: 1e-3, MB: 1, GB: 1e3, TB: 1e6]

    /** Return [process, tasks, seconds, seconds of the longest, megabytes of the largest] in the order of the trace. */
    static List of(String text) {
        def lines = text.readLines().findAll { line -> line.trim() }.collect { line -> line.split('\t', -1) as List }
        if (lines.size() < 2 || !lines[0].containsAll(['name', 'realtime', 'peak_rss'])) {
            return []
        }
        def (name, time, memory) = ['name', 'realtime', 'peak_rss'].collect { column -> lines[0].indexOf(column) }
        lines.tail().groupBy { cells -> cells[name].tokenize(' ')[0].tokenize(':').last() }.collect { process, tasks ->
            def seconds = tasks.collect { cells -> sum(cells[time], SECONDS) }
            def most = tasks.collect { cells -> sum(cells[memory], MEGABYTES) }.max()
            [process, tasks.size(), seconds.sum().setScale(1, 4), seconds.max().setScale(1, 4), most.setScale(0, 4)]
        }
    }

    /** Return a length in a unit of 1, such as `1m 3.5s`. */
    private static BigDecimal sum(String text, Map units) {
        (text =~ /([\d.]+)\s*([A-Za-z]+)/).collect { _all, number, unit -> number.toBigDecimal() * (units[unit] ?: 0) }.sum(0.0G) as BigDecimal
    }
}
