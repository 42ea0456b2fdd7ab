module plugkit.example/go-processor

go 1.20
