// client.go - asks a PlugKit server by TLS as Go does: client ADDRESS CA CERT KEY. Prints one JSON object.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(os.Args[2])
	check(err)
	roots.AppendCertsFromPEM(pem)
	own, err := tls.LoadX509KeyPair(os.Args[3], os.Args[4])
	check(err)
	config := &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{own}, ServerName: "localhost",
		ClientSessionCache: tls.NewLRUClientSessionCache(4)}
	transport := &http.Transport{TLSClientConfig: config}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	out := map[string]any{}

	ask := func(name, method, path, body string) {
		request, err := http.NewRequest(method, os.Args[1]+path, strings.NewReader(body))
		check(err)
		answer, err := client.Do(request)
		check(err)
		text, err := io.ReadAll(answer.Body)
		check(err)
		answer.Body.Close()
		out[name] = map[string]any{"status": answer.StatusCode, "size": len(text), "body": string(text[:min(len(text), 300)]),
			"resumed": answer.TLS.DidResume, "protocol": answer.TLS.NegotiatedProtocol}
	}
	ask("who", "GET", "/who", "")
	ask("echo", "POST", "/echo", strings.Repeat("g", 500000))
	ask("stream", "GET", "/stream?3000000", "")
	transport.CloseIdleConnections()
	ask("again", "GET", "/who", "")
	check(json.NewEncoder(os.Stdout).Encode(out))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
