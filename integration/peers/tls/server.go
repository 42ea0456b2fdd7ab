// server.go - what a Go server answers a PlugKit client by TLS: server CA CERT KEY. Prints its port, serves until stdin
// ends. Clients need a certificate; /who says whose it is.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(os.Args[1])
	check(err)
	roots.AppendCertsFromPEM(pem)
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	})
	http.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %v", r.TLS.PeerCertificates[0].Subject.CommonName, r.TLS.DidResume)
	})
	http.HandleFunc("/long", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, strings.Repeat("n", 3000000))
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}}
	go server.ServeTLS(listener, os.Args[2], os.Args[3])
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	io.Copy(io.Discard, os.Stdin)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
