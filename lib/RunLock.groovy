import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.channels.FileLock
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardOpenOption

/** The lock by which one run at a time writes to a results folder; the system frees it when the process ends, however
    that may be. */
class RunLock {
    private static FileLock lock

    /** Take the lock of a file for a run, in words. Return null, or the words of the run that has it; throws IOException
        on a file system that knows no locks. */
    static String take(Path path, String run) {
        Files.createDirectories(path.parent)
        def channel = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE)
        try {
            lock = channel.tryLock()
        }
        catch (IOException unknown) {
            channel.close()
            Files.delete(path)
            throw unknown
        }
        if (lock == null) {
            return Files.readString(path).trim()
        }
        // By the channel: a process that closes a file that it has opened a second time loses its lock.
        channel.truncate(0).write(ByteBuffer.wrap("${run}\n".getBytes('UTF-8')))
        channel.force(true)
        return null
    }

    /** Give the lock back, if it was taken. */
    static void release() {
        lock?.release()
    }
}
