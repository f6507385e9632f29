import java.util.concurrent.atomic.AtomicInteger

/** What was found odd of scans, told on the console as it is known: a few lines, then where the others are. */
class Findings {
    private static final int MOST = 20
    private static final AtomicInteger TOLD = new AtomicInteger()

    /** Return the lines to warn with of a scan's record. */
    static List<String> of(Map record) {
        def said = record.reason ? ["set aside: ${record.reason}"] : record.findings
        first(said.collect { sentence -> "${record.cohort} ${record.subject}: ${sentence}".toString() })
    }

    /** Return those of some lines that are among the first of the run, and a line on the rest, once. */
    static List<String> first(List<String> lines) {
        lines.collectMany { line ->
            def number = TOLD.incrementAndGet()
            number <= MOST ? [line] :
                number == MOST + 1 ? ["more scans have findings: scans.csv in the results folder has them all"] : []
        }
    }
}
