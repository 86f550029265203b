import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.Files;
import java.security.KeyPair;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import javax.crypto.SecretKey;
import software.amazon.awssdk.awscore.AwsRequestOverrideConfiguration;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.services.kms.KmsClient;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.GetObjectRequest;
import software.amazon.awssdk.services.s3.model.PutObjectRequest;
import software.amazon.awssdk.services.s3.model.SdkPartType;
import software.amazon.encryption.s3.CommitmentPolicy;
import software.amazon.encryption.s3.S3EncryptionClient;
import software.amazon.encryption.s3.algorithms.AlgorithmSuite;
import software.amazon.encryption.s3.internal.InstructionFileConfig;
import software.amazon.encryption.s3.internal.ReEncryptInstructionFileRequest;
import software.amazon.encryption.s3.materials.AesKeyring;
import software.amazon.encryption.s3.materials.Keyring;
import software.amazon.encryption.s3.materials.KmsKeyring;
import software.amazon.encryption.s3.materials.MaterialsDescription;
import software.amazon.encryption.s3.materials.PartialRsaKeyPair;
import software.amazon.encryption.s3.materials.RawKeyMaterial;
import software.amazon.encryption.s3.materials.RawKeyring;
import software.amazon.encryption.s3.materials.RsaKeyring;

/**
 * Version 4 of the encryption client, for one job. It keeps the connections on which it read instruction files, so its
 * S3 client does not outlive the job.
 */
final class Current implements AutoCloseable {
    private static final KmsClient KMS = KmsClient.builder().endpointOverride(endpoint("KMS")).build();
    private static final S3AsyncClient ASYNC_S3 =
            S3AsyncClient.builder().endpointOverride(endpoint("S3")).forcePathStyle(true).build();
    private final S3Client s3 = S3Client.builder().endpointOverride(endpoint("S3")).forcePathStyle(true).build();

    @Override
    public void close() {
        s3.close();
    }

    void put(JsonNode job) throws Exception {
        S3EncryptionClient client = client(job);
        Path body = Path.of(job.get("body").asText());
        Consumer<AwsRequestOverrideConfiguration.Builder> more = more(job);
        if (!"parts".equals(Clients.text(job, "multipart"))) {
            PutObjectRequest.Builder request = PutObjectRequest.builder().overrideConfiguration(more);
            request.bucket(job.get("bucket").asText()).key(job.get("key").asText());
            client.putObject(request.build(), RequestBody.fromFile(body));
            return;
        }
        String bucket = job.get("bucket").asText();
        String key = job.get("key").asText();
        String upload =
                client.createMultipartUpload(r -> r.bucket(bucket).key(key).overrideConfiguration(more)).uploadId();
        byte[] bytes = Files.readAllBytes(body);
        int partSize = job.get("part_size").asInt();
        List<CompletedPart> parts = new ArrayList<>();
        for (int start = 0; start < bytes.length; start += partSize) {
            int end = Math.min(start + partSize, bytes.length);
            int number = parts.size() + 1;
            String tag = client.uploadPart(
                            r -> r.bucket(bucket).key(key).uploadId(upload).partNumber(number)
                                    .sdkPartType(end == bytes.length ? SdkPartType.LAST : SdkPartType.DEFAULT),
                            RequestBody.fromBytes(Arrays.copyOfRange(bytes, start, end)))
                    .eTag();
            parts.add(CompletedPart.builder().partNumber(number).eTag(tag).build());
        }
        client.completeMultipartUpload(
                r -> r.bucket(bucket).key(key).uploadId(upload).multipartUpload(m -> m.parts(parts)));
    }

    void fetch(JsonNode job) throws Exception {
        GetObjectRequest.Builder request = GetObjectRequest.builder().overrideConfiguration(more(job));
        request.bucket(job.get("bucket").asText()).key(job.get("key").asText()).range(Clients.text(job, "range"));
        byte[] plaintext = client(job).getObjectAsBytes(request.build()).asByteArray();
        Files.write(Path.of(job.get("out").asText()), plaintext, StandardOpenOption.CREATE_NEW);
    }

    void reencrypt(JsonNode job) throws Exception {
        ReEncryptInstructionFileRequest.Builder request = ReEncryptInstructionFileRequest.builder();
        request.bucket(job.get("bucket").asText()).key(job.get("key").asText());
        request.newKeyring((RawKeyring<?>) keyring(job.get("to"), false));
        if (Clients.text(job, "suffix") != null) {
            // It puts a dot of its own before it; gets do not.
            request.instructionFileSuffix(Clients.text(job, "suffix").substring(1));
        }
        client(job).reEncryptInstructionFile(request.build());
    }

    private S3EncryptionClient client(JsonNode job) throws Exception {
        CommitmentPolicy policy =
                CommitmentPolicy.valueOf(job.get("policy").asText().replace('-', '_').toUpperCase());
        AlgorithmSuite suite = policy == CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
                ? AlgorithmSuite.ALG_AES_256_GCM_IV12_TAG16_NO_KDF
                : AlgorithmSuite.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY;
        boolean legacy = job.path("legacy_wrapping_algorithms").asBoolean();
        return S3EncryptionClient.builderV4()
                .wrappedClient(s3)
                .wrappedAsyncClient(ASYNC_S3)
                .keyring(keyring(job.get("keyring"), legacy))
                .enableLegacyWrappingAlgorithms(legacy)
                .enableLegacyUnauthenticatedModes(job.path("legacy_unauthenticated_modes").asBoolean())
                .enableMultipartPutObject("whole".equals(Clients.text(job, "multipart")))
                .instructionFileConfig(InstructionFileConfig.builder()
                        .instructionFileClient(s3)
                        .enableInstructionFilePutObject(job.path("instruction_file").asBoolean())
                        .build())
                .encryptionAlgorithm(suite)
                .commitmentPolicy(policy)
                .build();
    }

    private Keyring keyring(JsonNode keyring, boolean legacy) throws Exception {
        switch (keyring.get("type").asText()) {
            case "kms":
                return KmsKeyring.builder()
                        .kmsClient(KMS)
                        .wrappingKeyId(keyring.get("key").asText())
                        .enableLegacyWrappingAlgorithms(legacy)
                        .build();
            case "aes": {
                Map<MaterialsDescription, RawKeyMaterial<SecretKey>> others = new HashMap<>();
                for (JsonNode other : keyring.path("others")) {
                    SecretKey key = Keys.aes(other.get("file").asText());
                    others.put(description(other), RawKeyMaterial.<SecretKey>builder()
                            .materialsDescription(description(other)).keyMaterial(key).build());
                }
                return AesKeyring.builder()
                        .wrappingKey(Keys.aes(keyring.get("file").asText()))
                        .materialsDescription(description(keyring))
                        .additionalDecryptionKeyMaterial(others)
                        .enableLegacyWrappingAlgorithms(legacy)
                        .build();
            }
            case "rsa": {
                Map<MaterialsDescription, RawKeyMaterial<PartialRsaKeyPair>> others = new HashMap<>();
                for (JsonNode other : keyring.path("others")) {
                    others.put(description(other), RawKeyMaterial.<PartialRsaKeyPair>builder()
                            .materialsDescription(description(other)).keyMaterial(pair(other)).build());
                }
                return RsaKeyring.builder()
                        .wrappingKeyPair(pair(keyring))
                        .materialsDescription(description(keyring))
                        .additionalDecryptionKeyMaterial(others)
                        .enableLegacyWrappingAlgorithms(legacy)
                        .build();
            }
            default:
                throw new IllegalArgumentException("no such keyring");
        }
    }

    private static PartialRsaKeyPair pair(JsonNode keyring) throws Exception {
        KeyPair pair = Keys.rsa(Clients.text(keyring, "private"), Clients.text(keyring, "public"));
        return PartialRsaKeyPair.builder().publicKey(pair.getPublic()).privateKey(pair.getPrivate()).build();
    }

    private static MaterialsDescription description(JsonNode keyring) {
        return MaterialsDescription.builder().putAll(Clients.pairs(keyring.path("description"))).build();
    }

    /** The context, and where the instruction file is. */
    private static Consumer<AwsRequestOverrideConfiguration.Builder> more(JsonNode job) {
        Map<String, String> context = Clients.pairs(job.path("context"));
        String suffix = Clients.text(job, "suffix");
        return builder -> {
            if (!context.isEmpty()) {
                S3EncryptionClient.withAdditionalConfiguration(context).accept(builder);
            }
            if (suffix != null) {
                S3EncryptionClient.withCustomInstructionFileSuffix(suffix).accept(builder);
            }
        };
    }

    static URI endpoint(String service) {
        return URI.create(System.getenv("AWS_ENDPOINT_URL_" + service));
    }
}
