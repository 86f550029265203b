import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.kms.AWSKMS;
import com.amazonaws.services.kms.AWSKMSClientBuilder;
import com.amazonaws.services.s3.AmazonS3;
import com.amazonaws.services.s3.AmazonS3EncryptionClientBuilder;
import com.amazonaws.services.s3.AmazonS3EncryptionClientV2Builder;
import com.amazonaws.services.s3.model.CryptoConfiguration;
import com.amazonaws.services.s3.model.CryptoConfigurationV2;
import com.amazonaws.services.s3.model.CryptoMode;
import com.amazonaws.services.s3.model.CryptoStorageMode;
import com.amazonaws.services.s3.model.EncryptionMaterials;
import com.amazonaws.services.s3.model.EncryptionMaterialsProvider;
import com.amazonaws.services.s3.model.KMSEncryptionMaterials;
import com.amazonaws.services.s3.model.StaticEncryptionMaterialsProvider;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;

/** The two encryption clients of the old SDK. A job's "mode" is its crypto mode. */
@SuppressWarnings("deprecation")
final class Old {
    private static final String REGION = System.getenv("AWS_REGION");
    private final AWSKMS kms = AWSKMSClientBuilder.standard().withEndpointConfiguration(endpoint("KMS")).build();

    void put(JsonNode job) throws Exception {
        AmazonS3 client = client(job);
        client.putObject(job.get("bucket").asText(), job.get("key").asText(), new File(job.get("body").asText()));
    }

    void fetch(JsonNode job) throws Exception {
        AmazonS3 client = client(job);
        try (InputStream body =
                client.getObject(job.get("bucket").asText(), job.get("key").asText()).getObjectContent()) {
            Files.write(Path.of(job.get("out").asText()), body.readAllBytes());
        }
    }

    private AmazonS3 client(JsonNode job) throws Exception {
        CryptoMode mode = CryptoMode.valueOf(job.get("mode").asText());
        CryptoStorageMode storage = job.path("instruction_file").asBoolean()
                ? CryptoStorageMode.InstructionFile : CryptoStorageMode.ObjectMetadata;
        EncryptionMaterialsProvider materials = new StaticEncryptionMaterialsProvider(materials(job));
        if (job.get("client").asText().equals("java-v1")) {
            return AmazonS3EncryptionClientBuilder.standard()
                    .withEndpointConfiguration(endpoint("S3"))
                    .withPathStyleAccessEnabled(true)
                    .withKmsClient(kms)
                    .withCryptoConfiguration(new CryptoConfiguration(mode).withStorageMode(storage))
                    .withEncryptionMaterials(materials)
                    .build();
        }
        return AmazonS3EncryptionClientV2Builder.standard()
                .withEndpointConfiguration(endpoint("S3"))
                .withPathStyleAccessEnabled(true)
                .withKmsClient(kms)
                .withCryptoConfiguration(new CryptoConfigurationV2(mode).withStorageMode(storage))
                .withEncryptionMaterialsProvider(materials)
                .build();
    }

    private static EncryptionMaterials materials(JsonNode job) throws Exception {
        JsonNode keyring = job.get("keyring");
        EncryptionMaterials materials;
        switch (keyring.get("type").asText()) {
            case "kms":
                materials = new KMSEncryptionMaterials(keyring.get("key").asText());
                materials.addDescriptions(Clients.pairs(job.path("context")));
                break;
            case "aes":
                materials = new EncryptionMaterials(Keys.aes(keyring.get("file").asText()));
                break;
            case "rsa":
                materials = new EncryptionMaterials(
                        Keys.rsa(Clients.text(keyring, "private"), Clients.text(keyring, "public")));
                break;
            default:
                throw new IllegalArgumentException("no such keyring");
        }
        return materials.addDescriptions(Clients.pairs(keyring.path("description")));
    }

    private static EndpointConfiguration endpoint(String service) {
        return new EndpointConfiguration(Current.endpoint(service).toString(), REGION);
    }
}
