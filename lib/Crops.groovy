/** How much of a scan the crop to the body keeps, beside its cohort's supports; rprloc/scans/crops.py has the same rule. */
class Crops {
    private static final double MUCH_SMALLER = 0.5

    /** Return the usual extents of the crops of some scans' records, in mm along x, y, z; null where none can be used. */
    static List<Double> usual(List<Map> records) {
        def crops = records.findAll { one -> one.body_box_mm }.collect { one -> crop(one) }
        crops ? (0..2).collect { axis -> median(crops.collect { one -> one[axis] }) } : null
    }

    /** Return whether a scan's crop is much smaller along an axis than usual, though its field is not along any. */
    static boolean small(Map record, List<Double> usual) {
        if (!usual || !record.body_box_mm || !record.native) {
            return false
        }
        def (crop, field) = [crop(record), field(record.native)]
        (0..2).every { axis -> field[axis] >= MUCH_SMALLER * usual[axis] } &&
            (0..2).any { axis -> crop[axis] < MUCH_SMALLER * Math.min(field[axis], usual[axis]) }
    }

    private static List<Double> crop(Map record) {
        (0..2).collect { axis -> record.body_box_mm[1][axis] - record.body_box_mm[0][axis] as double }
    }

    private static List<Double> field(Map grid) {
        (0..2).collect { axis ->
            (0..2).sum { own -> Math.abs(grid.direction[3 * axis + own]) * grid.size[own] * grid.spacing_mm[own] } as double
        }
    }

    private static double median(List<Double> values) {
        def sorted = values.sort(false)
        def middle = sorted.size().intdiv(2)
        sorted.size() % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }
}
