module plugkit.example/gosdk

go 1.24.2

require github.com/Skarlso/go-plugin-framework v0.0.0-20250808065643-1ec4f94dbc21
