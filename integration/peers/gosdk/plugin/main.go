// A plugin of the Go Plugin Framework, built on the framework's own SDK: a data processor that writes text in capitals.
// It knows nothing of PlugKit. The tests run it under PlugKit's manager, to see that the manager speaks to the real
// thing as it does to its imitation (gpf_plugin.py).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/Skarlso/go-plugin-framework/contracts"
	"github.com/Skarlso/go-plugin-framework/registry/plugins"
	"github.com/Skarlso/go-plugin-framework/sdk"
	"github.com/Skarlso/go-plugin-framework/types"
)

func process(w http.ResponseWriter, r *http.Request) {
	var request contracts.DataProcessorRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		plugins.NewError(err, http.StatusBadRequest).Write(w)
		return
	}
	if len(request.Data) == 0 {
		plugins.NewError(errors.New("cannot write in capitals: there is no text"), http.StatusUnprocessableEntity).Write(w)
		return
	}
	write(w, contracts.DataProcessorResponse{
		Data:     []byte(strings.ToUpper(string(request.Data))),
		Format:   request.Format,
		Metadata: map[string]any{"sdk": "go", "bytes": len(request.Data)},
	})
}

func formats(w http.ResponseWriter, _ *http.Request) {
	write(w, map[string][]string{"formats": {"text/plain"}})
}

func write(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func run() error {
	if len(os.Args) > 1 && os.Args[1] == "capabilities" {
		return json.NewEncoder(os.Stdout).Encode(types.PluginCapabilities{
			Types: map[string][]types.TypeInfo{
				"dataProcessor": {{Type: "go-upper", JSONSchema: []byte(`{"type":"object"}`)}},
			},
			ConfigTypes: []string{"go-config"},
		})
	}
	given := flag.String("config", "", "plugin configuration")
	flag.Parse()
	var config types.Config
	if err := json.Unmarshal([]byte(*given), &config); err != nil {
		return err
	}
	logger := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	for _, entry := range config.ConfigTypes {
		logger.Info("configured", "type", entry.Type, "data", string(entry.Data))
	}
	ctx := context.Background()
	plugin := sdk.NewPlugin(ctx, logger, config, os.Stdout)
	if err := plugin.RegisterHandlers(
		sdk.Handler{Location: "/process", Handler: process},
		sdk.Handler{Location: "/formats", Handler: formats},
		sdk.Handler{Location: "/panic", Handler: func(http.ResponseWriter, *http.Request) { panic("asked for") }},
	); err != nil {
		return err
	}
	if err := plugin.Start(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		slog.New(slog.NewJSONHandler(os.Stderr, nil)).Error("cannot go on", "error", err.Error())
		os.Exit(1)
	}
}
