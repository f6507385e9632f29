import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.file.Files
import java.nio.file.Path
import java.security.MessageDigest

/** The hash of a model's weights, whatever its file's header says of their training: rprloc.cohort.provenance's. */
class Tensors {
    /** Return the SHA-256 of a safetensors file's tensors by name; of any other file, such as a stub's, of its content. */
    static String sha256(Path path) {
        def content = Files.readAllBytes(path)
        def digest = MessageDigest.getInstance('SHA-256')
        def length = content.length < 8 ? 0L : ByteBuffer.wrap(content, 0, 8).order(ByteOrder.LITTLE_ENDIAN).long
        if (length < 2 || length > content.length - 8) {
            digest.update(content)
        }
        else {
            def start = 8 + (int) length
            def header = (Map) new groovy.json.JsonSlurperClassic().parseText(new String(content, 8, (int) length, 'UTF-8'))
            header.findAll { name, _about -> name != '__metadata__' }.sort { one -> one.key }.each { name, about ->
                digest.update(name.toString().getBytes('UTF-8'))
                def (from, to) = about.data_offsets
                digest.update(content, start + (int) from, (int) (to - from))
            }
        }
        digest.digest().encodeHex().toString()
    }
}
