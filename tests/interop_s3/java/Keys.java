import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import javax.crypto.SecretKey;
import javax.crypto.spec.SecretKeySpec;

/** Reads key files: raw bytes for AES, PEM for RSA. */
final class Keys {
    static SecretKey aes(String path) throws Exception {
        return new SecretKeySpec(Files.readAllBytes(Path.of(path)), "AES");
    }

    /** One half may be missing. */
    static KeyPair rsa(String privatePath, String publicPath) throws Exception {
        KeyFactory factory = KeyFactory.getInstance("RSA");
        PublicKey open = publicPath == null ? null : factory.generatePublic(new X509EncodedKeySpec(pem(publicPath)));
        PrivateKey secret =
                privatePath == null ? null : factory.generatePrivate(new PKCS8EncodedKeySpec(pem(privatePath)));
        return new KeyPair(open, secret);
    }

    private static byte[] pem(String path) throws Exception {
        return Base64.getMimeDecoder().decode(Files.readString(Path.of(path)).replaceAll("-----[A-Z ]+-----", ""));
    }

    private Keys() {}
}
