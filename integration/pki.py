"""pki.py - authorities, certificates and revocation lists for tests, made by the command `openssl` when they are asked
for.

    pki = Pki(folder)
    ca = pki.authority("Test CA")
    server = pki.certificate("server", ca, dns="localhost", use="serverAuth")     # .cert, .key: paths of PEM files
"""

import base64
import pathlib
import subprocess
import time

CONFIG = """
[ca]
default_ca = it
[it]
database = {folder}/index.txt
rand_serial = yes
new_certs_dir = {folder}
default_md = sha256
policy = any
unique_subject = no
crlnumber = {folder}/crlnumber
default_crl_days = 1
[any]
commonName = supplied
[ext]
{extensions}
"""
KINDS = {"p256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
         "rsa": ["rsa:2048"]}


def openssl(*argv):
    done = subprocess.run(["openssl", *map(str, argv)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, f"openssl {' '.join(map(str, argv))}\n{done.stderr.decode()}"
    return done.stdout


def utc(days):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400))


class Identity:
    def __init__(self, folder, name):
        self.name, self.cert, self.key = name, folder / "cert.pem", folder / "key.pem"
        self.folder = folder


class Pki:
    def __init__(self, folder):
        self.folder, self.count = pathlib.Path(folder), 0

    def _make(self, name, by, extensions, kind, start, end):
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir(parents=True)
        it = Identity(folder, name)
        by = by or it
        (folder / "index.txt").touch()
        (folder / "crlnumber").write_text("01\n")
        config = folder / "config"
        config.write_text(CONFIG.format(folder=by.folder, extensions="\n".join(extensions)))
        openssl("req", "-new", "-newkey", *KINDS[kind], "-nodes", "-keyout", it.key, "-subj", f"/CN={name}", "-out",
                folder / "csr", "-batch")
        signer = ["-selfsign", "-keyfile", it.key] if by is it else ["-cert", by.cert, "-keyfile", by.key]
        openssl("ca", "-batch", "-notext", "-config", config, "-extensions", "ext", "-in", folder / "csr", *signer,
                "-startdate", utc(start), "-enddate", utc(end), "-out", it.cert)
        return it

    def authority(self, name, kind="p256"):
        extensions = ["basicConstraints = critical, CA:true", "keyUsage = critical, keyCertSign, cRLSign",
                      "subjectKeyIdentifier = hash"]
        return self._make(name, None, extensions, kind, -1, 10)

    def certificate(self, name, by, dns=None, ip=None, uri=None, use=None, kind="p256", start=-0.1, end=1):
        names = [f"{what}:{value}" for what, value in (("DNS", dns), ("IP", ip), ("URI", uri)) if value]
        extensions = ["basicConstraints = CA:false"]
        extensions += [f"subjectAltName = {','.join(names)}"] if names else []
        extensions += [f"extendedKeyUsage = {use}"] if use else []
        return self._make(name, by, extensions, kind, start, end)

    def forged(self, it):
        """Changes a bit of its signature, which comes last."""
        text = it.cert.read_text()
        body = bytearray(base64.b64decode("".join(text.split("-----")[2].split())))
        body[-9] ^= 1
        encoded = base64.encodebytes(bytes(body)).decode()
        it.cert.write_text(f"-----BEGIN CERTIFICATE-----\n{encoded}-----END CERTIFICATE-----\n")
        return it

    def revoked(self, it, by):
        """A revocation list with this certificate in it."""
        config = by.folder / "config"
        openssl("ca", "-batch", "-config", config, "-cert", by.cert, "-keyfile", by.key, "-revoke", it.cert)
        path = by.folder / "crl.pem"
        openssl("ca", "-batch", "-config", config, "-cert", by.cert, "-keyfile", by.key, "-gencrl", "-out", path)
        return path
