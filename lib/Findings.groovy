import java.util.concurrent.atomic.AtomicInteger

/** What was found odd of scans, told on the console as it is known: a few lines, then where the others are. */
class Findings {
    private static final int MOST = 20
    private static final AtomicInteger TOLD = new AtomicInteger()

    /** Return the lines to warn with of a scan's record. */
    static List<String> of(Map record) {
        def said = record.reason ? ["set aside: ${record.reason}"] : record.findings
        said.collectMany { sentence ->
            def number = TOLD.incrementAndGet()
            number <= MOST ? ["${record.cohort} ${record.subject}: ${sentence}"] :
                number == MOST + 1 ? ["more scans have findings: scans.csv in the results folder has them all"] : []
        }
    }
}
