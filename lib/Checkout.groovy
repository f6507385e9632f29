/** What Git knows of the checkout. */
class Checkout {
    /** Return its commit, with `, changed` where files differ from it; an empty text for what is no checkout. */
    static String commit(String folder) {
        def head = git(folder, 'rev-parse', 'HEAD')
        head == null ? '' : head.trim() + (git(folder, 'status', '--porcelain', '--untracked-files=no')?.trim() ? ', changed' : '')
    }

    private static String git(String folder, String... words) {
        try {
            def asked = new ProcessBuilder(['git', '-C', folder, *words]).redirectError(ProcessBuilder.Redirect.DISCARD).start()
            def said = asked.inputStream.text
            return asked.waitFor() == 0 ? said : null
        }
        catch (IOException none) {
            return null
        }
    }
}
