/** The images of the pipeline's own recipes, on this machine. */
class Images {
    /** Return the command that makes an image where an engine has none of its name, in the folder of the checkout; null
        where it has one, or where the engine does not say. */
    static String missing(String engine, String image) {
        if (image.startsWith('/')) {
            return new File(image).exists() ? null : of(engine, image)
        }
        try {
            def asked = new ProcessBuilder(engine, 'image', 'inspect', image).redirectErrorStream(true).start()
            def said = asked.inputStream.text
            return asked.waitFor() != 0 && said =~ /(?i)no such image|not known|failed to find image/ ? of(engine, image) : null
        }
        catch (IOException unknown) {
            return null
        }
    }

    /** Return what an engine calls an image's content, an image file's SHA-256; an empty text where that is unknown. */
    static String digest(String engine, String image) {
        try {
            if (image.startsWith('/')) {
                def digest = java.security.MessageDigest.getInstance('SHA-256')
                new File(image).eachByte(1 << 20) { bytes, count -> digest.update(bytes, 0, count) }
                return digest.digest().encodeHex().toString()
            }
            def asked = new ProcessBuilder(engine, 'image', 'inspect', '--format', '{{.Id}}', image).redirectErrorStream(true).start()
            def said = asked.inputStream.text.trim()
            return asked.waitFor() == 0 ? said : ''
        }
        catch (IOException unknown) {
            return ''
        }
    }

    private static String of(String engine, String image) {
        switch (engine) {
            case 'docker': return "docker build -f containers/Dockerfile -t ${image} ."
            case 'podman': return "podman build -f containers/Dockerfile -t ${image} ."
            case 'charliecloud': return "ch-convert -i docker ${new File(image).name.replaceFirst('-', ':')} ${image}"
            default: return "${engine} build ${image} containers/Singularity.def"
        }
    }
}
