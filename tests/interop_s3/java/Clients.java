import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The encryption clients for Java: one job a line on standard input, one answer a line on standard output.
 *
 * <p>What a job has is described in ../ends.py.
 */
public final class Clients {
    private static final ObjectMapper JSON = new ObjectMapper();
    /** A job that never ends keeps its own. */
    private static final ExecutorService THREADS = Executors.newCachedThreadPool();

    public static void main(String[] arguments) throws Exception {
        // Whatever the packages print must not be taken for an answer.
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Old old = new Old();
        for (String line = jobs.readLine(); line != null; line = jobs.readLine()) {
            answers.println(JSON.writeValueAsString(answer(old, JSON.readTree(line))));
        }
        System.exit(0);
    }

    private static ObjectNode answer(Old old, JsonNode job) {
        ObjectNode answer = JSON.createObjectNode();
        Future<?> done = THREADS.submit(() -> {
            perform(old, job);
            return null;
        });
        try {
            done.get(job.path("seconds").asInt(30), TimeUnit.SECONDS);
            answer.put("ok", true);
        } catch (TimeoutException error) {
            done.cancel(true);
            answer.put("ok", false);
            answer.put("error", "no answer in time");
        } catch (Exception error) {
            answer.put("ok", false);
            answer.put("error", describe(error.getCause()));
        }
        return answer;
    }

    private static void perform(Old old, JsonNode job) throws Exception {
        String op = job.get("op").asText();
        if (op.equals("keys")) {
            return;
        }
        if (!job.get("client").asText().equals("java")) {
            if (op.equals("put")) {
                old.put(job);
            } else {
                old.fetch(job);
            }
            return;
        }
        try (Current current = new Current()) {
            switch (op) {
                case "put":
                    current.put(job);
                    break;
                case "get":
                    current.fetch(job);
                    break;
                default:
                    current.reencrypt(job);
            }
        }
    }

    /** The error and what caused it, in one line. */
    private static String describe(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (Throwable one = error; one != null; one = one.getCause()) {
            if (text.length() > 0) {
                text.append(" / ");
            }
            text.append(one.getClass().getSimpleName()).append(": ").append(one.getMessage());
        }
        return text.toString();
    }

    static Map<String, String> pairs(JsonNode object) {
        Map<String, String> pairs = new LinkedHashMap<>();
        object.fields().forEachRemaining(field -> pairs.put(field.getKey(), field.getValue().asText()));
        return pairs;
    }

    /** A field that may be missing. */
    static String text(JsonNode job, String name) {
        return job.path(name).isMissingNode() || job.path(name).isNull() ? null : job.path(name).asText();
    }
}
